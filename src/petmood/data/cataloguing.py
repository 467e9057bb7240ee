"""Which row of the index does each photo get? Family, split and role, from labels, hashes and relations.

Rules, in this order:

1. Photos with equal bytes under two moods say nothing: all of them are dropped.
2. Splits: what the source says stays; else what an earlier import said (by SHA-256); else they are assigned.
3. A family across splits is an error, or with `mend` its weaker side is dropped.
4. Of photos with equal bytes one is kept: the first by name.
5. Of what is left, each family has its originals; the rest are copies.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from petmood.data.index import IndexRow
from petmood.data.inspecting import PhotoFacts
from petmood.data.sources.base import Found
from petmood.data.split import (
    Fractions,
    assign_splits,
    refuse_small_classes,
    refuse_straddling,
)
from petmood.data.split import mend as drop_relatives

__all__ = ["PHOTOS", "Entry", "SplitPlan", "catalogue"]

PHOTOS = "photos"
"""The folder of a data set that holds the photos, under their names in the source."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One usable photo: what the source said, what the file holds, and the number of its family.

    Photos with equal bytes have the same `kin`: the number of their pixels among all distinct ones.
    """

    found: Found
    facts: PhotoFacts
    kin: int
    family: int


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How splits are made: shares, seed, splits of an earlier import by SHA-256, and whether leaks are mended."""

    fractions: Fractions
    seed: int
    previous: Mapping[str, str]
    mend: bool


def catalogue(
    entries: Sequence[Entry],
    *,
    plan: SplitPlan,
    pick_originals: Callable[[frozenset[int]], set[int]],
) -> tuple[IndexRow, ...]:
    """Return the rows of the index, sorted by path.

    `pick_originals` gets the kin numbers that are still in use and returns those that are originals.
    Raises DataError for families across splits (without `mend`) and for moods with too few photos.
    """
    rows = _plain_rows(entries)
    rows = _drop_contradictions(rows)
    rows = _with_splits(rows, plan=plan)
    if plan.mend:
        rows = list(drop_relatives(rows))
    else:
        refuse_straddling(rows)
    rows = _drop_duplicates(rows)
    kin = {_path(entry): entry.kin for entry in entries}
    originals = pick_originals(frozenset(kin[row.path] for row in rows if row.role != "dropped"))
    rows = [row if row.role == "dropped" or kin[row.path] in originals else replace(row, role="copy") for row in rows]
    refuse_small_classes(rows)
    return tuple(sorted(rows, key=lambda row: row.path))


def _path(entry: Entry) -> str:
    return f"{PHOTOS}/{entry.found.name}"


def _plain_rows(entries: Sequence[Entry]) -> list[IndexRow]:
    smallest: dict[int, str] = {}
    for entry in entries:
        sha256 = entry.facts.sha256
        smallest[entry.family] = min(sha256, smallest.get(entry.family, sha256))
    return [
        IndexRow(
            path=_path(entry),
            sha256=entry.facts.sha256,
            mood=entry.found.mood or "",
            split=entry.found.split or "",
            family=smallest[entry.family][:16],
            role="original",
            width=entry.facts.width,
            height=entry.facts.height,
            format=entry.facts.format,
            species=entry.found.species,
        )
        for entry in sorted(entries, key=_path)
    ]


def _same_bytes(rows: Sequence[IndexRow]) -> list[list[IndexRow]]:
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != "dropped":
            groups[row.sha256].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _drop_contradictions(rows: Sequence[IndexRow]) -> list[IndexRow]:
    notes: dict[str, IndexRow] = {}
    for group in _same_bytes(rows):
        if len({row.mood for row in group}) > 1:
            notes |= {row.path: next(o for o in group if o.mood != row.mood) for row in group}
    return [
        replace(row, role="dropped", note=f"same photo as {notes[row.path].path}, labelled {notes[row.path].mood}")
        if row.path in notes
        else row
        for row in rows
    ]


def _drop_duplicates(rows: Sequence[IndexRow]) -> list[IndexRow]:
    kept = {row.path: group[0].path for group in _same_bytes(rows) for row in group[1:]}
    return [
        replace(row, role="dropped", note=f"exact duplicate of {kept[row.path]}") if row.path in kept else row
        for row in rows
    ]


def _with_splits(rows: Sequence[IndexRow], *, plan: SplitPlan) -> list[IndexRow]:
    """Give a split to every row that has none; dropped rows follow their family, or go to train."""
    active = [row for row in rows if row.role != "dropped"]
    chosen: dict[str, str] = {}
    if any(not row.split for row in active):
        official = {row.sha256: row.split for row in active if row.split}
        assigned = assign_splits(
            active, fractions=plan.fractions, seed=plan.seed, previous={**plan.previous, **official}
        )
        chosen = {row.family: row.split for row in assigned}
    return [row if row.split else replace(row, split=chosen.get(row.family, "train")) for row in rows]

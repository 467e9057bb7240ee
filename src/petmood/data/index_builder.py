"""Index rows for imported photos: group, split and role from labels, hashes and relations.

Rules, in this order:

1. Photos with equal bytes under two classes have no reliable label: all of them are excluded.
2. Splits: the source's split is kept; else that of an earlier import (by SHA-256); else one is assigned.
3. A group across splits is an error, or with `drop_leaking` only its photos in the strongest split are kept.
4. If no photo is in valid, groups of train are moved there, stratified by class; test is left as it is.
5. Of photos with equal bytes one is kept: the first by path.
6. Of the remaining photos, each group has its originals; the rest are near-duplicates.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from petmood.data.index import PHOTOS, IndexRow, Role, Split
from petmood.data.photo_info import PhotoInfo
from petmood.data.sources.base import SourcePhoto
from petmood.data.split import (
    Fractions,
    assign_splits,
    check_class_sizes,
    check_no_group_leaks,
)
from petmood.data.split import drop_leaking_rows as drop_relatives

__all__ = ["ScannedPhoto", "SplitPlan", "build_index", "split_notices"]


@dataclass(frozen=True, slots=True)
class ScannedPhoto:
    """One usable photo: the source's entry, the file's properties, and its content and group numbers.

    Photos with equal bytes have the same `content_id`: the index of their content among all distinct ones.
    """

    source: SourcePhoto
    info: PhotoInfo
    content_id: int
    group_id: int


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How splits are assigned: shares, seed, earlier splits by SHA-256, and whether leaking photos are dropped.

    `classes` must all have photos in train and valid; empty stands for the labels that the photos have.
    """

    fractions: Fractions
    seed: int
    previous: Mapping[str, Split]
    drop_leaking: bool
    classes: tuple[str, ...] = ()


def build_index(
    entries: Sequence[ScannedPhoto],
    *,
    plan: SplitPlan,
    pick_originals: Callable[[frozenset[int]], set[int]],
) -> tuple[IndexRow, ...]:
    """Return the rows of the index, sorted by path.

    `pick_originals` gets the content ids that are still in use and returns those that are originals. Raises DataError
    for groups across splits (without `drop_leaking`) and for classes with too few photos.
    """
    rows = _drop_contradictions(_rows(entries))
    rows = _with_splits(rows, given={_path(entry) for entry in entries if entry.source.split}, plan=plan)
    if plan.drop_leaking:
        rows = list(drop_relatives(rows))
    else:
        check_no_group_leaks(rows)
    rows = _drop_duplicates(_with_valid(rows, plan=plan))
    content_ids = {_path(entry): entry.content_id for entry in entries}
    originals = pick_originals(frozenset(content_ids[row.path] for row in rows if row.role != Role.EXCLUDED))
    rows = [
        row
        if row.role == Role.EXCLUDED or content_ids[row.path] in originals
        else replace(row, role=Role.NEAR_DUPLICATE)
        for row in rows
    ]
    check_class_sizes(rows, classes=plan.classes or sorted({row.label for row in rows}))
    return tuple(sorted(rows, key=lambda row: row.path))


def _path(entry: ScannedPhoto) -> str:
    return f"{PHOTOS}/{entry.source.name}"


def _rows(entries: Sequence[ScannedPhoto]) -> list[IndexRow]:
    """Return one row per photo; a photo without a split of its own stands in train until `_with_splits`."""
    smallest: dict[int, str] = {}
    for entry in entries:
        sha256 = entry.info.sha256
        smallest[entry.group_id] = min(sha256, smallest.get(entry.group_id, sha256))
    return [
        IndexRow(
            path=_path(entry),
            sha256=entry.info.sha256,
            label=entry.source.label or "",
            split=entry.source.split or Split.TRAIN,
            group_id=smallest[entry.group_id][:16],
            role=Role.ORIGINAL,
            width=entry.info.width,
            height=entry.info.height,
            format=entry.info.format,
            species=entry.source.species,
        )
        for entry in sorted(entries, key=_path)
    ]


def _same_bytes(rows: Sequence[IndexRow]) -> list[list[IndexRow]]:
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != Role.EXCLUDED:
            groups[row.sha256].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _drop_contradictions(rows: Sequence[IndexRow]) -> list[IndexRow]:
    notes: dict[str, IndexRow] = {}
    for group in _same_bytes(rows):
        if len({row.label for row in group}) > 1:
            notes |= {row.path: next(o for o in group if o.label != row.label) for row in group}
    return [
        replace(row, role=Role.EXCLUDED, note=f"same photo as {notes[row.path].path}, labeled {notes[row.path].label}")
        if row.path in notes
        else row
        for row in rows
    ]


def _drop_duplicates(rows: Sequence[IndexRow]) -> list[IndexRow]:
    kept = {row.path: group[0].path for group in _same_bytes(rows) for row in group[1:]}
    return [
        replace(row, role=Role.EXCLUDED, note=f"exact duplicate of {kept[row.path]}") if row.path in kept else row
        for row in rows
    ]


def _with_splits(rows: Sequence[IndexRow], *, given: Set[str], plan: SplitPlan) -> list[IndexRow]:
    """Assign a split to every row but those of the paths `given`; excluded rows follow their group, or go to train."""
    active = [row for row in rows if row.role != Role.EXCLUDED]
    chosen: dict[str, Split] = {}
    if any(row.path not in given for row in active):
        official = {row.sha256: row.split for row in active if row.path in given}
        assigned = assign_splits(
            active, fractions=plan.fractions, seed=plan.seed, previous={**plan.previous, **official}
        )
        chosen = {row.group_id: row.split for row in assigned}
    return [row if row.path in given else replace(row, split=chosen.get(row.group_id, Split.TRAIN)) for row in rows]


def _with_valid(rows: Sequence[IndexRow], *, plan: SplitPlan) -> list[IndexRow]:
    """Move groups from train to valid if valid is empty: of each class the share that valid has of the two."""
    active = [row for row in rows if row.role != Role.EXCLUDED]
    train = [row for row in active if row.split == Split.TRAIN]
    if not train or any(row.split == Split.VALID for row in active):
        return list(rows)
    valid = plan.fractions.valid / (plan.fractions.train + plan.fractions.valid)
    earlier = {sha256: split for sha256, split in plan.previous.items() if split != Split.TEST}
    divided = assign_splits(train, fractions=Fractions(1 - valid, valid, 0), seed=plan.seed, previous=earlier)
    chosen = {row.path: row.split for row in divided}
    return [replace(row, split=chosen.get(row.path, row.split)) for row in rows]


def split_notices(entries: Sequence[ScannedPhoto], rows: Sequence[IndexRow]) -> tuple[str, ...]:
    """Return lines for the user on photos whose split is not the one that the source gives."""
    given = {_path(entry): entry.source.split for entry in entries}
    moved = sum(row.split == Split.VALID and given[row.path] == Split.TRAIN for row in rows)
    if not moved:
        return ()
    total = sum(split == Split.TRAIN for split in given.values())
    return (f"The source has no photo in valid: {moved} of its {total} training photos were moved there, by group.",)

"""Group-aware, stratified assignment of photos to train, valid and test splits.

A given split is kept (official splits, and those of an earlier import, matched by SHA-256). Every other group goes,
undivided, to the split of its class that lacks the most groups. Groups are ranked by a hash of the seed and their
smallest SHA-256, so the result depends on the photos, never on file order or names.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from petmood.core.errors import DataError
from petmood.core.names import printable
from petmood.data.index import IndexRow, Role, Split
from petmood.data.wording import counted

__all__ = [
    "DROPPED_AS_LEAKING",
    "MIN_GROUPS",
    "Fractions",
    "Leak",
    "assign_splits",
    "check_class_sizes",
    "check_no_group_leaks",
    "drop_leaking_rows",
    "find_group_leaks",
    "winning_split",
]

MIN_GROUPS = 3
"""Smallest number of independent photos of a class for automatic splits."""

DROPPED_AS_LEAKING = "relative of "
"""Prefix of the note of a photo that is excluded because its group has a photo in an evaluation split."""

_STRENGTH: Mapping[Split, int] = {Split.TRAIN: 0, Split.VALID: 1, Split.TEST: 2}


@dataclass(frozen=True, slots=True)
class Fractions:
    """The share of groups in each split, for every class; the shares sum to 1."""

    train: float = 0.7
    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        """Raise DataError for shares that leave nothing to train or validate on."""
        shares = (self.train, self.valid, self.test)
        if not (self.train > 0 and self.valid > 0 and self.test >= 0 and abs(sum(shares) - 1) < 1e-6):
            raise DataError(
                f"Expected split fractions that sum to 1 with train and valid over 0, got "
                f"train {self.train}, valid {self.valid}, test {self.test}. The default is 0.7, 0.15, 0.15."
            )

    def quotas(self, groups: int) -> dict[Split, int]:
        """Return the target number of groups per split, at least one where its share isn't 0."""
        valid = max(1, round(self.valid * groups))
        test = max(1, round(self.test * groups)) if self.test else 0
        return {Split.TRAIN: max(1, groups - valid - test), Split.VALID: valid, Split.TEST: test}


@dataclass(frozen=True, slots=True)
class Leak:
    """One group with photos in more than one split."""

    group_id: str
    paths: tuple[tuple[Split, str], ...]
    """(split, path) of each photo, strongest split first."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that the group is spread over, strongest first."""
        return tuple(dict.fromkeys(split for split, _ in self.paths))

    def __str__(self) -> str:
        """Return the leak in one line."""
        return " = ".join(f"{split}: {printable(path)}" for split, path in self.paths)


def winning_split(splits: Iterable[Split]) -> Split:
    """Return the split that wins where photos of one group disagree: test over valid over train."""
    return max(splits, key=_STRENGTH.__getitem__)


def assign_splits(
    rows: Sequence[IndexRow],
    *,
    fractions: Fractions | None = None,
    seed: int = 0,
    previous: Mapping[str, Split] | None = None,
) -> tuple[IndexRow, ...]:
    """Assign a split to every row by undivided groups, stratified by class; existing splits are replaced.

    `previous` maps a photo's SHA-256 to its split in an earlier version. Groups with a known photo keep that split (the
    strongest, if a new photo joins two groups). A group with two classes counts for its most frequent one. Raises
    DataError if a class with new groups has fewer than `MIN_GROUPS`.
    """
    fractions = fractions or Fractions()
    known = previous or {}
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        groups[row.group_id].append(row)
    by_label: dict[str, list[str]] = defaultdict(list)
    for group, members in groups.items():
        by_label[_majority(members)].append(group)
    chosen: dict[str, Split] = {}
    unsplit = {name for name, members in groups.items() if not any(row.sha256 in known for row in members)}
    _check_group_counts(by_label, unsplit=unsplit)
    for _, names in sorted(by_label.items()):
        fresh = [name for name in names if name in unsplit]
        pinned = {
            name: winning_split(known[row.sha256] for row in groups[name] if row.sha256 in known)
            for name in names
            if name not in fresh
        }
        fresh.sort(key=lambda name: _rank(groups[name], seed=seed))
        chosen |= pinned | _fill(fresh, quotas=fractions.quotas(len(names)), taken=Counter(pinned.values()))
    return tuple(replace(row, split=chosen[row.group_id]) for row in rows)


def _check_group_counts(by_label: Mapping[str, Sequence[str]], *, unsplit: Set[str]) -> None:
    small = {
        label: len(names)
        for label, names in sorted(by_label.items())
        if len(names) < MIN_GROUPS and not unsplit.isdisjoint(names)
    }
    if small:
        counts = "; ".join(f"class '{label}' has {count}" for label, count in small.items())
        raise DataError(
            f"Automatic splits need at least {MIN_GROUPS} independent photos of each class: {counts}. "
            "Add photos, join classes with --map, or give the splits yourself."
        )


def _majority(members: Sequence[IndexRow]) -> str:
    counts = Counter(row.label for row in members)
    return min(counts, key=lambda label: (-counts[label], label))


def _rank(members: Sequence[IndexRow], *, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{min(row.sha256 for row in members)}".encode()).hexdigest()


def _fill(groups: Sequence[str], *, quotas: Mapping[Split, int], taken: Counter[Split]) -> dict[str, Split]:
    chosen: dict[str, Split] = {}
    held = Counter(taken)
    for group in groups:
        split = max(Split, key=lambda name: quotas[name] - held[name])
        held[split] += 1
        chosen[group] = split
    return chosen


def find_group_leaks(rows: Iterable[IndexRow]) -> list[Leak]:
    """Return the groups with photos in more than one split; excluded photos don't count."""
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != Role.EXCLUDED:
            groups[row.group_id].append(row)
    return [
        Leak(
            group,
            tuple((r.split, r.path) for r in sorted(members, key=lambda r: (-_STRENGTH[r.split], r.path))),
        )
        for group, members in sorted(groups.items())
        if len({row.split for row in members}) > 1
    ]


def check_no_group_leaks(rows: Iterable[IndexRow], *, shown: int = 20) -> None:
    """Raise DataError with a list of the groups across splits; metrics on such splits would be too optimistic."""
    leaks = find_group_leaks(rows)
    if leaks:
        lines = [f"  {leak}" for leak in leaks[:shown]]
        if len(leaks) > shown:
            lines.append(f"  ... and {len(leaks) - shown} more")
        raise DataError(
            f"{counted(len(leaks), 'group has', 'groups have')} photos in two splits (group leakage):\n"
            + "\n".join(lines)
            + "\n"
            "Import with --drop-leaking to drop the training photos of these groups."
        )


def drop_leaking_rows(rows: Sequence[IndexRow]) -> tuple[IndexRow, ...]:
    """Exclude photos whose group has a photo in a stronger split: test wins over valid, valid over train.

    Each excluded row's note names an evaluation photo of its group. If all originals of a group are excluded, the
    largest remaining photo becomes the original, as evaluation uses only originals.
    """
    by_group = {leak.group_id: leak for leak in find_group_leaks(rows)}
    promoted = _reassigned(rows, winners={name: leak.splits[0] for name, leak in by_group.items()})
    kept = []
    for row in rows:
        leak = by_group.get(row.group_id)
        if leak and row.role != Role.EXCLUDED and row.split != leak.splits[0]:
            split, path = leak.paths[0]
            kept.append(replace(row, role=Role.EXCLUDED, note=f"{DROPPED_AS_LEAKING}{split} photo {path}"))
        elif row.path in promoted:
            kept.append(replace(row, role=Role.ORIGINAL))
        else:
            kept.append(row)
    return tuple(kept)


def _reassigned(rows: Iterable[IndexRow], *, winners: Mapping[str, Split]) -> set[str]:
    left: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != Role.EXCLUDED and row.split == winners.get(row.group_id):
            left[row.group_id].append(row)
    return {
        min(members, key=lambda r: (-r.width * r.height, r.path)).path
        for members in left.values()
        if all(row.role != Role.ORIGINAL for row in members)
    }


def check_class_sizes(rows: Iterable[IndexRow], *, classes: Sequence[str]) -> None:
    """Raise DataError if a class has no original photo in train or in valid."""
    held = Counter((row.label, row.split) for row in rows if row.role == Role.ORIGINAL)
    empty = [(label, split) for label in classes for split in (Split.TRAIN, Split.VALID) if not held[label, split]]
    if empty:
        facts = "; ".join(
            f"class '{label}' has 0 photos in {split} ("
            + ", ".join(f"{held[label, name]} in {name}" for name in Split if name != split)
            + ")"
            for label, split in empty
        )
        raise DataError(
            f"Every class needs original photos in train and valid: {facts}. "
            "Add photos, or leave the split folders out to have splits made."
        )

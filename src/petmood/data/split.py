"""Which split does each photo belong to, so that no family straddles two?

The rules: a split that is given stays (official splits, and those of an earlier import, known again by SHA-256);
every other family goes, whole, to the split of its mood that lacks the most families. Families are ranked by a
hash of the seed and their smallest SHA-256, so the answer depends on the photos, never on file order or names.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from petmood.core.errors import DataError
from petmood.core.moods import MOODS
from petmood.data.index import SPLITS, IndexRow

__all__ = [
    "FEWEST_FAMILIES",
    "MENDED",
    "Fractions",
    "Leak",
    "assign_splits",
    "mend",
    "refuse_small_classes",
    "refuse_straddling",
    "straddling",
    "strongest",
]

FEWEST_FAMILIES = 3
"""Automatic splits need this many independent photos of a mood."""

MENDED = "relative of "
"""How the note of a photo begins that was dropped because a relative is evaluated on."""

_STRENGTH = {"train": 0, "valid": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Fractions:
    """The share of families that each split gets, for every mood; they sum to 1."""

    train: float = 0.7
    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing to train or validate on; raises DataError."""
        shares = (self.train, self.valid, self.test)
        if not (self.train > 0 and self.valid > 0 and self.test >= 0 and abs(sum(shares) - 1) < 1e-6):
            raise DataError(
                f"Expected split fractions that sum to 1 with train and valid over 0, got "
                f"train {self.train}, valid {self.valid}, test {self.test}. The default is 0.7, 0.15, 0.15."
            )

    def quotas(self, families: int) -> dict[str, int]:
        """Say how many of so many families each split should hold, at least one where its share isn't 0."""
        valid = max(1, round(self.valid * families))
        test = max(1, round(self.test * families)) if self.test else 0
        return {"train": max(1, families - valid - test), "valid": valid, "test": test}


@dataclass(frozen=True, slots=True)
class Leak:
    """One family with photos in more than one split."""

    family: str
    paths: tuple[tuple[str, str], ...]
    """(split, path) of each photo, strongest split first."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Name the splits that the family straddles, strongest first."""
        return tuple(dict.fromkeys(split for split, _ in self.paths))

    def __str__(self) -> str:
        """Write the leak in one line."""
        return " = ".join(f"{split}: {path}" for split, path in self.paths)


def strongest(splits: Iterable[str]) -> str:
    """Return the split that wins where photos of one family disagree: test over valid over train."""
    return max(splits, key=_STRENGTH.__getitem__)


def assign_splits(
    rows: Sequence[IndexRow],
    *,
    fractions: Fractions | None = None,
    seed: int = 0,
    previous: Mapping[str, str] | None = None,
) -> tuple[IndexRow, ...]:
    """Give every row a split, families whole, stratified by mood; whatever split the rows came with is replaced.

    `previous` maps a photo's SHA-256 to its split in an earlier version: families with a known photo keep that
    split (the strongest, where a new photo joins two families). A family with two moods counts for its most
    frequent one. Raises DataError where a mood has fewer than three families.
    """
    fractions = fractions or Fractions()
    known = previous or {}
    families: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        families[row.family].append(row)
    by_mood: dict[str, list[str]] = defaultdict(list)
    for family, members in families.items():
        by_mood[_majority(members)].append(family)
    chosen: dict[str, str] = {}
    for mood, names in sorted(by_mood.items()):
        fresh = [name for name in names if not any(row.sha256 in known for row in families[name])]
        if fresh and len(names) < FEWEST_FAMILIES:
            raise DataError(
                f"Mood '{mood}' has {len(names)} independent photo{'s' if len(names) > 1 else ''}; "
                f"automatic splits need at least {FEWEST_FAMILIES}. Add photos or give the splits yourself."
            )
        pinned = {
            name: strongest(known[row.sha256] for row in families[name] if row.sha256 in known)
            for name in names
            if name not in fresh
        }
        fresh.sort(key=lambda name: _rank(families[name], seed=seed))
        chosen |= pinned | _fill(fresh, quotas=fractions.quotas(len(names)), taken=Counter(pinned.values()))
    return tuple(replace(row, split=chosen[row.family]) for row in rows)


def _majority(members: Sequence[IndexRow]) -> str:
    counts = Counter(row.mood for row in members)
    return min(counts, key=lambda mood: (-counts[mood], mood))


def _rank(members: Sequence[IndexRow], *, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{min(row.sha256 for row in members)}".encode()).hexdigest()


def _fill(families: Sequence[str], *, quotas: Mapping[str, int], taken: Counter[str]) -> dict[str, str]:
    chosen = {}
    held = Counter(taken)
    for family in families:
        split = max(SPLITS, key=lambda name: quotas[name] - held[name])
        held[split] += 1
        chosen[family] = split
    return chosen


def straddling(rows: Iterable[IndexRow]) -> list[Leak]:
    """List the families that have photos in more than one split; dropped photos don't count."""
    families: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != "dropped":
            families[row.family].append(row)
    return [
        Leak(
            family,
            tuple((r.split, r.path) for r in sorted(members, key=lambda r: (-_STRENGTH[r.split], r.path))),
        )
        for family, members in sorted(families.items())
        if len({row.split for row in members}) > 1
    ]


def refuse_straddling(rows: Iterable[IndexRow], *, shown: int = 20) -> None:
    """Raise DataError with the list where a family is forced apart; a measurement on such splits would flatter."""
    leaks = straddling(rows)
    if leaks:
        lines = [f"  {leak}" for leak in leaks[:shown]]
        if len(leaks) > shown:
            lines.append(f"  ... and {len(leaks) - shown} more")
        raise DataError(
            f"{len(leaks)} famil{'y straddles' if len(leaks) == 1 else 'ies straddle'} two splits "
            f"(photos of one animal on both sides):\n" + "\n".join(lines) + "\n"
            "Import with --mend to keep the evaluation photos and drop their relatives from training."
        )


def mend(rows: Sequence[IndexRow]) -> tuple[IndexRow, ...]:
    """Drop the relatives of evaluation photos: test wins over valid, valid over train.

    Each dropped row's note names an evaluation photo that it is related to. Where the family's originals are
    among the dropped, the largest photo that is left becomes the original: evaluation uses originals alone.
    """
    by_family = {leak.family: leak for leak in straddling(rows)}
    heirs = _heirs(rows, winners={name: leak.splits[0] for name, leak in by_family.items()})
    mended = []
    for row in rows:
        leak = by_family.get(row.family)
        if leak and row.role != "dropped" and row.split != leak.splits[0]:
            split, path = leak.paths[0]
            mended.append(replace(row, role="dropped", note=f"{MENDED}{split} photo {path}"))
        elif row.path in heirs:
            mended.append(replace(row, role="original"))
        else:
            mended.append(row)
    return tuple(mended)


def _heirs(rows: Iterable[IndexRow], *, winners: Mapping[str, str]) -> set[str]:
    left: dict[str, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if row.role != "dropped" and row.split == winners.get(row.family):
            left[row.family].append(row)
    return {
        min(members, key=lambda r: (-r.width * r.height, r.path)).path
        for members in left.values()
        if all(row.role != "original" for row in members)
    }


def refuse_small_classes(rows: Iterable[IndexRow], *, moods: Sequence[str] = MOODS) -> None:
    """Raise DataError where a mood has no original photo to train on, or none to validate with."""
    held = Counter((row.mood, row.split) for row in rows if row.role == "original")
    empty = [(mood, split) for mood in moods for split in ("train", "valid") if not held[mood, split]]
    if empty:
        facts = "; ".join(
            f"mood '{mood}' has 0 photos in {split} ("
            + ", ".join(f"{held[mood, name]} in {name}" for name in SPLITS if name != split)
            + ")"
            for mood, split in empty
        )
        raise DataError(
            f"Every mood needs original photos in train and valid: {facts}. "
            "Add photos, or leave the split folders out to have splits made."
        )

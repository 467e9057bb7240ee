"""Differences between two data versions; photos are matched by SHA-256, not by name."""

from collections.abc import Iterable
from dataclasses import dataclass

from petmood.data.index import EVALUATION_SPLITS, IndexRow, Role, Split

__all__ = ["DatasetDiff", "RowPair", "diff_datasets"]


@dataclass(frozen=True, slots=True)
class RowPair:
    """One photo in both versions: its row in the previous version and in the new one."""

    old: IndexRow
    new: IndexRow


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """Photos added, removed and kept between two versions; excluded photos don't count."""

    added: tuple[IndexRow, ...]
    removed: tuple[IndexRow, ...]
    kept: tuple[RowPair, ...]
    duplicates_of_trained: tuple[IndexRow, ...]
    """New evaluation photos whose group has photos that the previous version trained on."""

    @property
    def relabelled(self) -> tuple[RowPair, ...]:
        """Kept photos that have another class."""
        return tuple(both for both in self.kept if both.old.label != both.new.label)

    @property
    def moved(self) -> tuple[RowPair, ...]:
        """Kept photos that are in another split."""
        return tuple(both for both in self.kept if both.old.split != both.new.split)

    @property
    def leaked(self) -> tuple[RowPair, ...]:
        """Training photos of the previous version that are evaluation photos in the new one: leakage over time.

        A model trained on the previous version has seen them, so its metrics would be too optimistic.
        """
        return tuple(
            both for both in self.moved if both.old.split == Split.TRAIN and both.new.split in EVALUATION_SPLITS
        )


def diff_datasets(old: Iterable[IndexRow], new: Iterable[IndexRow]) -> DatasetDiff:
    """Compare the rows of two versions; added and kept photos are in the order of the new version."""
    before, after = _used(old), _used(new)
    trained = {row.group_id for row in before.values() if row.split == Split.TRAIN}
    added = tuple(row for sha256, row in after.items() if sha256 not in before)
    return DatasetDiff(
        added=added,
        removed=tuple(row for sha256, row in before.items() if sha256 not in after),
        kept=tuple(RowPair(before[sha256], row) for sha256, row in after.items() if sha256 in before),
        duplicates_of_trained=tuple(row for row in added if row.split in EVALUATION_SPLITS and row.group_id in trained),
    )


def _used(rows: Iterable[IndexRow]) -> dict[str, IndexRow]:
    """Return the used rows by SHA-256; of equal photos the first."""
    found: dict[str, IndexRow] = {}
    for row in rows:
        if row.role != Role.EXCLUDED:
            found.setdefault(row.sha256, row)
    return found

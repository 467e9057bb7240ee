"""What has changed between two versions of a data set? Photos are known by their bytes, whatever they are called."""

from collections.abc import Iterable
from dataclasses import dataclass

from petmood.data.index import IndexRow

__all__ = ["DatasetDiff", "RowPair", "diff_datasets"]

EVALUATION_SPLITS = frozenset({"valid", "test"})


@dataclass(frozen=True, slots=True)
class RowPair:
    """One photo in both versions: its row in the last one and in the new one."""

    old: IndexRow
    new: IndexRow


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What came, what went, and what became of the photos that stayed; photos that are used nowhere don't count."""

    added: tuple[IndexRow, ...]
    removed: tuple[IndexRow, ...]
    kept: tuple[RowPair, ...]
    duplicates_of_trained: tuple[IndexRow, ...]
    """New photos to be judged by whose group the last version trained on."""

    @property
    def relabelled(self) -> tuple[RowPair, ...]:
        """Return the photos that stayed under another class."""
        return tuple(both for both in self.kept if both.old.label != both.new.label)

    @property
    def moved(self) -> tuple[RowPair, ...]:
        """Return the photos that stayed in another split."""
        return tuple(both for both in self.kept if both.old.split != both.new.split)

    @property
    def leaked(self) -> tuple[RowPair, ...]:
        """Return the photos that the last version trained on and the new one judges by: a leak over time.

        Whatever was trained on the last version knows them, and would be flattered beside a network that doesn't.
        """
        return tuple(both for both in self.moved if both.old.split == "train" and both.new.split in EVALUATION_SPLITS)


def diff_datasets(last: Iterable[IndexRow], new: Iterable[IndexRow]) -> DatasetDiff:
    """Compare the rows of two versions, in the order of the new one."""
    before, after = _used(last), _used(new)
    trained = {row.group_id for row in before.values() if row.split == "train"}
    added = tuple(row for sha256, row in after.items() if sha256 not in before)
    return DatasetDiff(
        added=added,
        removed=tuple(row for sha256, row in before.items() if sha256 not in after),
        kept=tuple(RowPair(before[sha256], row) for sha256, row in after.items() if sha256 in before),
        duplicates_of_trained=tuple(row for row in added if row.split in EVALUATION_SPLITS and row.group_id in trained),
    )


def _used(rows: Iterable[IndexRow]) -> dict[str, IndexRow]:
    """Return the rows that are used by SHA-256; of equal photos the first."""
    found: dict[str, IndexRow] = {}
    for row in rows:
        if row.role != "excluded":
            found.setdefault(row.sha256, row)
    return found

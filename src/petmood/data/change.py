"""What has changed between two versions of a data set? Photos are known by their bytes, whatever they are called."""

from collections.abc import Iterable
from dataclasses import dataclass

from petmood.data.index import IndexRow

__all__ = ["Change", "Twice", "compare"]

JUDGED = frozenset({"valid", "test"})


@dataclass(frozen=True, slots=True)
class Twice:
    """One photo in both versions: its row in the last one and in the new one."""

    last: IndexRow
    new: IndexRow


@dataclass(frozen=True, slots=True)
class Change:
    """What came, what went, and what became of the photos that stayed; photos that are used nowhere don't count."""

    added: tuple[IndexRow, ...]
    removed: tuple[IndexRow, ...]
    stayed: tuple[Twice, ...]
    trained_kin: tuple[IndexRow, ...]
    """New photos to be judged by whose family the last version trained on."""

    @property
    def relabelled(self) -> tuple[Twice, ...]:
        """Return the photos that stayed under another mood."""
        return tuple(both for both in self.stayed if both.last.mood != both.new.mood)

    @property
    def moved(self) -> tuple[Twice, ...]:
        """Return the photos that stayed in another split."""
        return tuple(both for both in self.stayed if both.last.split != both.new.split)

    @property
    def leaked(self) -> tuple[Twice, ...]:
        """Return the photos that the last version trained on and the new one judges by: a leak over time.

        Whatever was trained on the last version knows them, and would be flattered beside a network that doesn't.
        """
        return tuple(both for both in self.moved if both.last.split == "train" and both.new.split in JUDGED)


def compare(last: Iterable[IndexRow], new: Iterable[IndexRow]) -> Change:
    """Compare the rows of two versions, in the order of the new one."""
    before, after = _used(last), _used(new)
    trained = {row.family for row in before.values() if row.split == "train"}
    added = tuple(row for sha256, row in after.items() if sha256 not in before)
    return Change(
        added=added,
        removed=tuple(row for sha256, row in before.items() if sha256 not in after),
        stayed=tuple(Twice(before[sha256], row) for sha256, row in after.items() if sha256 in before),
        trained_kin=tuple(row for row in added if row.split in JUDGED and row.family in trained),
    )


def _used(rows: Iterable[IndexRow]) -> dict[str, IndexRow]:
    """Return the rows that are used by SHA-256; of equal photos the first."""
    found: dict[str, IndexRow] = {}
    for row in rows:
        if row.role != "dropped":
            found.setdefault(row.sha256, row)
    return found

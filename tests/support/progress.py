"""A progress bar that keeps what it was told, for tests of long loops."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class RecordedProgress:
    """Progress bar that records the total and the description of each loop that was begun, in order."""

    def __init__(self) -> None:
        self.loops: list[tuple[int | None, str]] = []

    def __call__(self, items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        self.loops.append((total, what))
        yield from items

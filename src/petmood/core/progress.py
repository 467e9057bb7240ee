"""Progress reporting of long loops: a ``ProgressBar`` on the command line, ``no_progress`` elsewhere."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["ProgressBar", "no_progress"]

T = TypeVar("T")


class ProgressBar(Protocol):
    """Callable that yields items one by one and shows progress."""

    def __call__(self, items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        """Yield ``items`` unchanged; ``total`` is their number if known, ``what`` a short description."""
        ...


def no_progress(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:  # noqa: ARG001 - the protocol names them
    """Yield the items without showing progress."""
    yield from items

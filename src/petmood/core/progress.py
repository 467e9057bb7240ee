"""How does a long loop tell how far it is? It takes a ``Track``; the command line passes a bar, tests pass nothing."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Track", "silent"]

T = TypeVar("T")


class Track(Protocol):
    """Hand items on one by one, and show progress while doing so."""

    def __call__(self, items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        """Yield ``items`` unchanged; ``total`` is their number where it is known, ``what`` a few words."""
        ...


def silent(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:  # noqa: ARG001 - the protocol names them
    """Yield the items and show nothing."""
    yield from items

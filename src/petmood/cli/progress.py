"""Progress bar of the command line: a bar on a terminal, occasional lines elsewhere, nothing for quick tasks."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

__all__ = ["progress_bar"]

T = TypeVar("T")
SILENT_S: Final = 1.0
BETWEEN_LINES_S: Final = 10.0


def progress_bar(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
    """Yield items and show on stderr how far it is and how long it will take; a ``ProgressBar``."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        return iter(tqdm(items, total=total, desc=what, delay=SILENT_S, leave=False, dynamic_ncols=True))
    return _lines(items, total=total, what=what)


def _lines(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said >= BETWEEN_LINES_S:
            said = now
            left = f", about {(now - began) * (total / done - 1):.0f} s left" if total and done else ""
            sys.stderr.write(f"{what}: {done} of {total or 'many'}{left}\n")
        yield item

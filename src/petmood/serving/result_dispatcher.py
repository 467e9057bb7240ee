"""How do answers get from the workers' threads to the event loop? At once; in a crowd, many at a time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

__all__ = ["HOLD_S", "ResultDispatcher"]

T = TypeVar("T")

HOLD_S: Final = 0.015
"""In a crowd an answer may wait so long for others. Every waking of the event loop takes a processor from a worker, and
its caches with it: with 32 clients an efficientnet_b0 answers 8% more photos a second when answers come in handfuls."""

SHARE: Final = 3


class ResultDispatcher(Generic[T]):
    """Sets the results of futures that belong to one event loop, from any thread.

    ``waiting`` says how much work is waiting; from ``crowd`` on, the workers stay busy while answers are held back.
    """

    def __init__(self, waiting: Callable[[], int], *, crowd: int) -> None:
        self._waiting, self._crowd = waiting, crowd
        self._done: deque[tuple[asyncio.Future[T], T]] = deque()
        self._ticking = False

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Collect answers now and then while there is a crowd; called on the event loop when work has come."""
        if not self._ticking and self._should_batch_delivery():
            self._ticking = True
            loop.call_later(HOLD_S, self._tick, loop)

    def put(self, loop: asyncio.AbstractEventLoop, done: Sequence[tuple[asyncio.Future[T], T]]) -> None:
        """Hand results over, from a worker's thread."""
        self._done.extend(done)
        if self._ticking and self._should_batch_delivery():
            return  # the next tick finds them
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is there to hear it
            loop.call_soon_threadsafe(self._deliver)

    def _should_batch_delivery(self) -> bool:
        """Whether there is work enough, several times what is held back: who gets no answer sends no new work."""
        return self._waiting() >= max(self._crowd, SHARE * len(self._done))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._should_batch_delivery():
            loop.call_later(HOLD_S, self._tick, loop)
        else:
            self._ticking = False  # before delivering: whoever still saw it true has put its results there by now
        self._deliver()

    def _deliver(self) -> None:
        while self._done:
            future, result = self._done.popleft()
            if not future.done():
                future.set_result(result)

"""Delivery of results from worker threads to the event loop, in batches under load."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

__all__ = ["HOLD_S", "ResultDispatcher"]

T = TypeVar("T")

HOLD_S: Final = 0.015
"""Maximum delay of a result under load (s). Each wake-up of the event loop preempts a worker and evicts its caches.
With 32 clients, batched delivery gives an efficientnet_b0 8% more throughput (photos per second)."""

SHARE: Final = 3


class ResultDispatcher(Generic[T]):
    """Sets the results of futures that belong to one event loop, from any thread.

    ``waiting`` returns the queue length. Delivery is batched once it reaches ``min_waiting``, so that the workers
    stay busy.
    """

    def __init__(self, waiting: Callable[[], int], *, min_waiting: int) -> None:
        self._waiting, self._min_waiting = waiting, min_waiting
        self._done: deque[tuple[asyncio.Future[T], T]] = deque()
        self._ticking = False

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start periodic delivery if the queue is deep; call it on the event loop after adding work."""
        if not self._ticking and self._should_batch_delivery():
            self._ticking = True
            loop.call_later(HOLD_S, self._tick, loop)

    def put(self, loop: asyncio.AbstractEventLoop, done: Sequence[tuple[asyncio.Future[T], T]]) -> None:
        """Add results from a worker thread and schedule their delivery."""
        self._done.extend(done)
        if self._ticking and self._should_batch_delivery():
            return  # delivered by the next tick
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._deliver)

    def _should_batch_delivery(self) -> bool:
        """Whether the queue is deep enough to batch deliveries without starving the workers."""
        return self._waiting() >= max(self._min_waiting, SHARE * len(self._done))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._should_batch_delivery():
            loop.call_later(HOLD_S, self._tick, loop)
        else:
            self._ticking = False  # before delivering: a put() that saw True has already added its results
        self._deliver()

    def _deliver(self) -> None:
        while self._done:
            future, result = self._done.popleft()
            if not future.done():
                future.set_result(result)

"""Inference worker threads behind a bounded queue; requests are rejected immediately when it is full."""

import asyncio
import contextlib
import contextvars
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from petmood.core.errors import InternalError, Overloaded, PetmoodError, ShuttingDown
from petmood.inference.base import Answer, Explained
from petmood.serving.active_model import ModelSlot
from petmood.serving.result_dispatcher import ResultDispatcher

__all__ = ["WorkerPool", "queue_full"]

logger = logging.getLogger(__name__)

MIN_WAITING_FOR_BATCHED_DELIVERY: Final = 4
"""Waiting photos per thread from which results are delivered in batches."""
WORKER_NICENESS: Final = 5
"""Niceness of the workers: the event loop has priority, so that rejections don't wait behind image decoding."""


Result = Answer | Explained


@dataclass(frozen=True, slots=True)
class _Waiting:
    photo: bytes
    future: asyncio.Future[Result]
    since: float
    context: contextvars.Context
    """That of the request, whose trace has the stages of the prediction; of a batch that of the first photo counts."""
    explained: bool = False


class WorkerPool:
    """Threads that decode, preprocess and predict photos, one photo (or one batch) at a time each.

    With ``batch`` above 1 a thread collects several waiting photos, for up to ``batch_wait_s`` seconds. A photo that
    waited longer than ``max_wait_s`` seconds gets an error. Submit photos from a single event loop.
    """

    def __init__(
        self,
        slot: ModelSlot,
        *,
        threads: int,
        waiting: int,
        batch: int = 1,
        batch_wait_s: float = 0.0,
        max_wait_s: float = 10.0,
    ) -> None:
        self._slot = slot
        self._limit, self._batch = waiting, batch
        self._batch_wait_s, self._max_wait_s = batch_wait_s, max_wait_s
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._dispatcher: ResultDispatcher[Result] = ResultDispatcher(
            self._queue.qsize, min_waiting=MIN_WAITING_FOR_BATCHED_DELIVERY * threads
        )
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Number of photos in the queue."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether all worker threads are running."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start the threads; the pool can be restarted after ``stop``."""
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"answers-{number}", daemon=True) for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the threads finish the queued photos, then stop them; blocks until they have ended."""
        self._stopped = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def refuse_if_full(self, photos: int = 1) -> None:
        """Reject a request before its body is read.

        Raises:
            Overloaded: the queue has no room for so many photos.
            ShuttingDown: the pool is stopped.
        """
        if self._stopped:
            raise ShuttingDown("This process is shutting down. Send the request again.")
        if self.waiting + photos > self._limit:
            raise queue_full(self._limit)

    async def answer(self, photos: Sequence[bytes]) -> list[Answer]:
        """Return the prediction or error for each photo, in order.

        Raises:
            Overloaded: the queue has no room for all photos; none was queued.
            ShuttingDown: the pool is stopped.
        """
        futures = self._queued(photos)
        found = [await futures[0]] if len(futures) == 1 else await asyncio.gather(*futures)
        return cast("list[Answer]", found)

    async def explain(self, photo: bytes) -> Explained:
        """Return the explained prediction of one photo, or its error.

        Raises:
            Overloaded, ShuttingDown: as ``answer``.
        """
        (future,) = self._queued([photo], explained=True)
        return cast("Explained", await future)

    def _queued(self, photos: Sequence[bytes], *, explained: bool = False) -> list[asyncio.Future[Result]]:
        self.refuse_if_full(len(photos))
        loop, now = asyncio.get_running_loop(), time.monotonic()
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in photos]
        for photo, future in zip(photos, futures, strict=True):
            self._queue.put(_Waiting(photo, future, now, contextvars.copy_context(), explained))
        self._dispatcher.watch(loop)
        return futures

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere niceness is of processes, and the number could be another one's
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), WORKER_NICENESS)
        while (tasks := self._take()) is not None:
            self._answer(tasks)
            del tasks  # free the photos before blocking on the queue again

    def _take(self) -> list[_Waiting] | None:
        """Return the next batch of photos, or None when the thread should end."""
        first = self._queue.get()
        if first is None:
            return None
        tasks, until = [first], time.monotonic() + self._batch_wait_s
        while len(tasks) < self._batch:
            try:
                task = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if task is None:
                self._queue.put(None)  # put the stop marker back: this thread first finishes its batch
                break
            tasks.append(task)
        return tasks

    def _answer(self, tasks: Sequence[_Waiting]) -> None:
        predictor = self._slot.current
        plain = self._timely([task for task in tasks if not task.explained])
        if plain:
            photos = [task.photo for task in plain]
            answers = plain[0].context.run(self._checked, predictor.predict_batch, photos)
            self._deliver(zip(plain, answers, strict=True))
        for task in tasks:
            if task.explained and self._timely([task]):
                explain = partial(self._checked, lambda photos: [predictor.explain_photo(photos[0])], [task.photo])
                self._deliver([(task, task.context.run(explain)[0])])

    def _timely(self, tasks: Sequence[_Waiting]) -> list[_Waiting]:
        """Return the tasks that did not wait too long; the others get an error."""
        too_old = time.monotonic() - self._max_wait_s
        timely = [task for task in tasks if task.since >= too_old and not task.future.cancelled()]
        late = Overloaded("The photo waited too long in the queue. Try again in a second.")
        self._deliver((task, late) for task in tasks if task not in timely)
        return timely

    def _deliver(self, answered: Iterable[tuple[_Waiting, Result]]) -> None:
        results = [(task.future, answer) for task, answer in answered]
        if results:
            self._dispatcher.put(results[0][0].get_loop(), results)

    def _checked(self, run: Callable[[Sequence[bytes]], Sequence[Result]], photos: Sequence[bytes]) -> Sequence[Result]:
        try:
            return run(photos)
        except PetmoodError as error:
            return [error] * len(photos)
        except Exception:
            logger.exception("prediction failed with an unexpected error")
            failed = InternalError("The model failed on this photo, and the error was logged. Try another photo.")
            return [failed] * len(photos)


def queue_full(limit: int) -> Overloaded:
    """Return the error for a photo that exceeds the queue limit."""
    return Overloaded(f"Too many photos are waiting (limit {limit}). Try again in a second.")

"""Ordered parallel map over a stream, with a few threads and bounded look-ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2
import faiss
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

__all__ = ["ordered_map", "single_threaded_libraries"]

AHEAD_PER_THREAD = 4
"""Items queued per thread, finished or not: enough to keep it busy, few enough to hold in memory."""

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, threads: int) -> Iterator[R]:
    """Yield ``work(item)`` for every item, in the order of the items, computed by ``threads`` threads."""
    waiting: deque[Future[R]] = deque()
    # faiss sets its thread count per calling thread: without this each worker would start its own OpenMP threads.
    with ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= threads * AHEAD_PER_THREAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Limit OpenCV and BLAS to one thread, as their own threads would compete with the workers."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(before)

"""Ordered parallel map over a stream, and libraries that compute the same on every processor and number of threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2
import faiss
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

__all__ = ["ordered_map", "reproducible_libraries"]

AHEAD_PER_THREAD = 4
"""Items queued per thread, finished or not: enough to keep it busy, few enough to hold in memory."""

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, threads: int) -> Iterator[R]:
    """Yield ``work(item)`` for every item, in the order of the items, computed by ``threads`` threads.

    At most ``threads * AHEAD_PER_THREAD`` items are read ahead.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, initializer=_set_up_thread) as pool:
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


def _set_up_thread() -> None:
    """Set what is set per calling thread: without faiss's setting each worker would start OpenMP threads of its own."""
    faiss.omp_set_num_threads(1)
    cv2.ipp.setUseIPP(False)


@contextmanager
def reproducible_libraries() -> Iterator[None]:
    """Limit OpenCV and BLAS to one thread, and OpenCV to the instructions that all processors of a kind have.

    Threads of their own would compete with the workers. With AVX2, AVX-512 or Intel's IPP, which are chosen by the
    processor, OpenCV's sums differ in the last digits, so that a photo has other keypoints on another machine. The
    settings are those of the process, except for IPP: it is off in this thread and in those of ``ordered_map``.
    """
    threads, optimized, ipp = cv2.getNumThreads(), cv2.useOptimized(), cv2.ipp.useIPP()
    cv2.setNumThreads(1)
    cv2.setUseOptimized(False)  # this sets IPP of this thread, too
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(threads)
        cv2.setUseOptimized(optimized)
        cv2.ipp.setUseIPP(ipp)

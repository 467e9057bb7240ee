"""Tests of the ordered parallel map: order, bounded look-ahead and errors."""

import time
from collections.abc import Iterator
from itertools import count, islice

import cv2
import pytest

from petmood.data.threads import AHEAD_PER_THREAD, ordered_map, reproducible_libraries


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))
        return item * item

    assert list(ordered_map(slow_first, range(30), threads=threads)) == [item * item for item in range(30)]


def test_an_endless_stream_is_read_only_a_little_ahead() -> None:
    read = []

    def stream() -> Iterator[int]:
        for item in count():
            read.append(item)
            yield item

    results = ordered_map(str, stream(), threads=2)
    assert list(islice(results, 3)) == ["0", "1", "2"]
    assert len(read) <= 3 + 2 * AHEAD_PER_THREAD


def test_an_error_of_the_work_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(lambda item: 1 // item, [1, 0, 1], threads=2))


def test_no_items_give_no_results() -> None:
    assert list(ordered_map(str, [], threads=2)) == []


def _opencv() -> tuple[int, bool, bool]:
    return cv2.getNumThreads(), cv2.useOptimized(), cv2.ipp.useIPP()


def test_opencv_has_one_thread_and_no_instructions_of_some_processors_and_all_is_put_back() -> None:
    def failing_work() -> None:
        with reproducible_libraries():
            during.append(_opencv())
            during.extend(ordered_map(lambda _: _opencv(), [0], threads=1))
            raise KeyError

    during: list[tuple[int, bool, bool]] = []
    before = _opencv()
    with pytest.raises(KeyError):
        failing_work()
    assert during == [(1, False, False)] * 2
    assert _opencv() == before

"""Tests of the silent progress bar."""

from collections.abc import Iterator

from petmood.core.progress import ProgressBar, no_progress


def test_silent_yields_every_item_in_order() -> None:
    progress: ProgressBar = no_progress
    assert list(progress([3, 1, 2], total=3, what="counting")) == [3, 1, 2]


def test_silent_asks_for_the_next_item_only_when_it_is_wanted() -> None:
    asked = []

    def items() -> Iterator[int]:
        for number in range(3):
            asked.append(number)
            yield number

    tracked = no_progress(items())
    assert asked == []
    assert next(tracked) == 0
    assert asked == [0]

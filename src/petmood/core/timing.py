"""Times of functions that are run in turns, so that other load on the machine slows all of them alike."""

import time
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["times_in_turns"]

WARM_UP: Final = 3


def times_in_turns(
    works: Sequence[Callable[[int], object]], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Run functions ``rounds`` times in turns, and return the times of each in seconds.

    A function is given the number of the round, from 0. The order alternates. Three rounds before, which are counted
    too, warm up. ``clock`` is wall time, or ``time.thread_time`` for that of the processor.
    """
    took: list[list[float]] = [[] for _ in works]
    for number in range(rounds + WARM_UP):
        order = range(len(works)) if number % 2 else reversed(range(len(works)))
        for turn in order:
            begun = clock()
            works[turn](number)
            if number >= WARM_UP:
                took[turn].append(clock() - begun)
    return took

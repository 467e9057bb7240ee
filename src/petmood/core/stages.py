"""Stages of a prediction, such as its decoding, that traces show as spans; they cost nothing without traces."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Final

__all__ = ["TIMER", "StageTimer", "stage"]

StageTimer = Callable[[str, Mapping[str, str]], AbstractContextManager[object]]
"""Returns the context in which a stage of this name runs, with facts about it."""

TIMER: Final[ContextVar[StageTimer | None]] = ContextVar("petmood_stage_timer", default=None)
"""The timer of the request in whose context the code runs, if its stages are traced."""


def stage(name: str, **facts: str) -> AbstractContextManager[object]:
    """Return a context that times one stage of a prediction, if its request is traced; facts are kept with the time."""
    timer = TIMER.get()
    return nullcontext() if timer is None else timer(name, facts)

"""Tests of stages of a prediction, and of what times them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from petmood.core.stages import TIMER, stage


def test_a_stage_runs_within_the_timer_of_its_context_and_without_one_as_it_is() -> None:
    seen: list[object] = []

    @contextmanager
    def timer(name: str, facts: Mapping[str, str]) -> Iterator[None]:
        seen.append((name, dict(facts)))
        yield
        seen.append("end")

    with stage("decode"):
        seen.append("untimed")
    token = TIMER.set(timer)
    with stage("inference", bundle="abc"):
        seen.append("timed")
    TIMER.reset(token)
    with stage("decode"):
        pass
    assert seen == ["untimed", ("inference", {"bundle": "abc"}), "timed", "end"]

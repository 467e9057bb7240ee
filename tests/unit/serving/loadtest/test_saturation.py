"""Tests of the saturation point detection."""

import re

import pytest

from petmood.serving.loadtest.saturation import find_knee, is_past_the_knee
from petmood.serving.loadtest.steps import Step
from tests.load.steps import step

RISING = [step(1, 30, 33), step(2, 60, 34), step(4, 100, 40)]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (step(8, 104, 80), r"^at 8 users, throughput changed by \+4% and p95 by \+100%$"),
        (step(8, 60, 160), r"throughput changed by -40%"),
        (step(8, 190, 45, e503=3), r"^at 8 users, requests failed \(3 x 503\)$"),
        (step(8, 0, None), "no request succeeded"),
    ],
)
def test_the_knee_is_the_last_step_that_was_worth_its_users(more: Step, reason: str) -> None:
    steps = [*RISING, more, step(16, 104, 160)]
    knee = find_knee(steps)
    assert knee is not None
    assert knee.step.users == 4
    assert re.search(reason, knee.reason)
    assert is_past_the_knee(steps)


@pytest.mark.parametrize("more", [step(8, 106, 80), step(8, 100, 40), step(8, 90, 39)])
def test_growth_or_answers_that_got_no_slower_are_no_knee(more: Step) -> None:
    assert find_knee([*RISING, more]) is None
    assert not is_past_the_knee([*RISING, more])


@pytest.mark.parametrize("steps", [[], RISING[:1], RISING])
def test_there_is_no_knee_while_every_step_helps(steps: list[Step]) -> None:
    assert find_knee(steps) is None
    assert not is_past_the_knee(steps)


@pytest.mark.parametrize("first", [step(1, 30, 33, e500=1), step(1, 0, None)])
def test_a_service_that_fails_from_the_first_user_on_is_loaded_no_further(first: Step) -> None:
    assert is_past_the_knee([first])


def test_errors_from_the_first_step_on_hide_the_knee() -> None:
    assert find_knee([step(1, 30, 33, e500=1), step(2, 30, 66, e500=2)]) is None

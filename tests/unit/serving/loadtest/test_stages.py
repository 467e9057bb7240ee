"""Tests of the user schedule of a load test and of its end at saturation."""

import pytest

from petmood.serving.loadtest.stages import NEW_USERS_PER_S, Stages, doubling, lengthened
from petmood.serving.loadtest.steps import Sample, Step


@pytest.mark.parametrize(("users", "expected"), [(1, (1,)), (2, (1, 2)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8, 9))])
def test_users_double_up_to_the_number_that_was_asked_for(users: int, expected: tuple[int, ...]) -> None:
    assert doubling(users) == expected


def test_each_number_of_users_lasts_as_long_as_was_said() -> None:
    stages = Stages((1, 2), 3.0)
    assert [stages.users_at(100 + second) for second in range(8)] == [1, 1, 1, 2, 2, 2, None, None]
    assert [(step.users, step.seconds) for step in stages.steps] == [(1, 3.0), (2, 3.0)]


def test_a_step_holds_the_requests_of_its_own_time() -> None:
    said: list[Step] = []
    stages = Stages((1, 2), 10.0, on_step=said.append)
    for second in range(21):
        stages.users_at(float(second))
        stages.add(Sample(second + 0.5, 10.0 if second < 10 else 30.0, 200))
    assert [(step.requests, step.p95_ms) for step in said] == [(10, 10.0), (10, 30.0)]
    assert said == stages.steps


@pytest.mark.parametrize(("counts", "added"), [((1000,), 1000), ((1, 1000), 999), ((150, 300, 1000), 700)])
def test_answers_from_before_all_users_are_there_do_not_count_for_speed(counts: tuple[int, ...], added: int) -> None:
    """Latency is low with few users: counting the spawn time would overstate the service's speed."""
    all_there_s = added / NEW_USERS_PER_S
    stages, began = Stages(counts, 5.0), None
    for tenth in range(1000):
        now = tenth / 10
        if (users := stages.users_at(now)) is None:
            break
        began = now if began is None and users == counts[-1] else began
        is_coming = began is None or now < began + all_there_s
        stages.add(Sample(now, 1.0 if is_coming else 50.0, 200))
    last = stages.steps[-1]
    assert last.p50_ms == 50.0
    assert last.answered_per_s == pytest.approx(10, rel=0.05)
    assert last.seconds == pytest.approx(5.0 + all_there_s, abs=0.11)


def test_a_step_that_is_shorter_than_its_users_take_to_come_still_measures_as_long_as_was_said() -> None:
    stages = Stages((1000,), 1.0)
    seen = [stages.users_at(float(second)) for second in range(12)]
    assert seen == [1000] * 11 + [None]


def test_who_asks_for_many_users_is_warned_that_it_takes_longer() -> None:
    assert lengthened((1, 2, 4, 100, 200)) == ""
    assert lengthened((64, 128, 256, 512)).endswith(": 1.28 s for 256 users, 2.56 s for 512 users.")


def test_it_ends_as_soon_as_the_knee_is_passed() -> None:
    stages = Stages((1, 2, 4, 8), 1.0, until_saturation=True)
    seen = []
    for tenth in range(50):
        now = tenth / 10
        users = stages.users_at(now)
        if users is None:
            break
        seen.append(users)
        for _ in range(min(users, 2)):
            stages.add(Sample(now + 0.01, 10.0 * max(1, users / 2), 200))
    assert sorted(set(seen)) == [1, 2, 4]
    assert [step.users for step in stages.steps] == [1, 2, 4]

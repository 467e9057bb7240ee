"""Tests of the load test limits and their violations."""

import pytest

from petmood.serving.loadtest.limits import Limits, violations
from petmood.serving.loadtest.steps import Step
from tests.load.steps import step

SLOW = step(8, 12.5, 850, e503=3)


@pytest.mark.parametrize(
    ("seen", "limits", "expected"),
    [
        (SLOW, Limits(), ()),
        (SLOW, Limits(p95_ms=850, min_rps=12.5, max_errors=0.03), ()),
        (SLOW, Limits(p95_ms=300), ("p95 850 ms, expected at most 300 ms",)),
        (SLOW, Limits(min_rps=50), ("throughput 12.5 requests/s, expected at least 50 requests/s",)),
        (SLOW, Limits(max_errors=0), ("error rate 3.00% (3 x 503), expected at most 0.00%",)),
        (step(8, 0, None), Limits(p95_ms=300), ("p95 unknown (no successful response), expected at most 300 ms",)),
        (Step(1, 1.0, 0, 0, 0.0, None, None, None, {}), Limits(max_errors=0.5),
         ("error rate 100.00% (no request completed), expected at most 50.00%",)),
    ],
)  # fmt: skip
def test_every_limit_that_was_missed_is_one_line(seen: Step, limits: Limits, expected: tuple[str, ...]) -> None:
    assert violations(seen, limits) == expected


def test_all_limits_are_looked_at() -> None:
    assert len(violations(SLOW, Limits(p95_ms=1, min_rps=1000, max_errors=0))) == 3

"""Factory of load test steps for tests."""

from petmood.serving.loadtest.steps import Step


def step(users: int, per_s: float, p95_ms: float | None, **errors: int) -> Step:
    """Return a step of 100 requests; errors are given as ``e503=3``."""
    bad = {name.removeprefix("e"): count for name, count in errors.items()}
    answered = 0 if p95_ms is None else 100 - sum(bad.values())
    p50_ms = None if p95_ms is None else p95_ms / 2
    return Step(users, 10.0, 100, answered, per_s, p50_ms, p95_ms, p95_ms, bad)

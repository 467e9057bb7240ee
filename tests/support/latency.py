"""A clock by which every model answers in one millisecond, so that no busy machine fails a latency limit."""

import itertools
from functools import partial

import pytest

from petmood.promotion import run_checks
from petmood.promotion.compare import measure_latency


def equal_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let promotion measure by that clock. Real differences are measured where a latency itself is the point."""
    ticks = itertools.count()
    monkeypatch.setattr(run_checks, "measure_latency", partial(measure_latency, clock=lambda: next(ticks) / 1000))

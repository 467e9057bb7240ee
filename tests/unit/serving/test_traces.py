"""Tests of what sends spans: a collector that is away, that hangs, and that comes back."""

import logging
import time
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from petmood.inference.fake import FakePredictor
from petmood.serving.traces import END_S, Traces
from tests.support.collector import Collector, collecting

MODEL = FakePredictor().model


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a collector."""
    with collecting() as found:
        yield found


def started(collector: Collector, *, share: float = 1) -> Traces:
    """Return what sends spans to a collector, started."""
    traces = Traces(f"{collector.url}/", share=share, model=MODEL)
    traces.start()
    return traces


def span(traces: Traces, name: str = "a span") -> None:
    """Make a span and send it."""
    with traces.provider.get_tracer("test").start_as_current_span(name):
        pass
    traces.provider.force_flush()


def test_spans_go_to_the_collector_with_the_service_its_version_and_its_bundle(collector: Collector) -> None:
    traces = started(collector)
    span(traces)
    assert [one.name for one in collector.spans] == ["a span"]
    assert collector.paths == ["/v1/traces"]
    assert collector.resource["service.name"] == "petmood"
    assert collector.resource["service.version"] == version("petmood")
    assert collector.resource["petmood.bundle_at_start"] == MODEL.sha256
    with traces.ending():
        pass


def test_a_share_of_the_traces_is_sampled(collector: Collector) -> None:
    traces = started(collector, share=0.3)
    for _ in range(1000):
        with traces.provider.get_tracer("test").start_as_current_span("one"):
            pass
    with traces.ending():
        pass
    assert 200 < len(collector.wait_for(200)) < 400


def test_what_waits_is_sent_at_the_end(collector: Collector) -> None:
    traces = started(collector)
    with traces.provider.get_tracer("test").start_as_current_span("last"):
        pass
    with traces.ending():
        pass
    assert [one.name for one in collector.spans] == ["last"]


def test_a_collector_that_takes_nothing_is_reported_once_and_once_when_it_does_again(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    traces = started(collector)
    collector.status = 400
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            span(traces)
        collector.status = 200
        span(traces, "again")
        span(traces, "and again")
    away, back = caplog.messages
    assert away.startswith(f"spans are dropped until {collector.url}/ takes them: Failed to export")
    assert "400" in away
    assert back == f"spans are sent to {collector.url}/ again"
    assert [one.name for one in collector.spans] == ["again", "and again"]
    with traces.ending():
        pass


def test_more_spans_than_the_queue_holds_are_dropped_without_a_line_for_each(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    traces = started(collector)
    collector.may_answer.clear()
    with caplog.at_level(logging.INFO):
        for _ in range(5000):
            with traces.provider.get_tracer("test").start_as_current_span("one"):
                pass
    assert caplog.messages == []
    collector.may_answer.set()
    with traces.ending():
        pass
    assert len(collector.spans) < 5000


def test_a_collector_that_hangs_does_not_hold_up_the_end(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    traces = started(collector)
    with traces.provider.get_tracer("test").start_as_current_span("last"):
        pass
    collector.may_answer.clear()
    began = time.monotonic()
    with traces.ending():
        pass
    assert time.monotonic() - began >= END_S
    assert caplog.messages == [f"the last spans are dropped: the collector did not take them in {END_S:g} s"]

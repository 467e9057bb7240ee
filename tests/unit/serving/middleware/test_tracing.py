"""Tests of the spans of requests, with a real collector."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.settings import Settings
from tests.support.collector import Collector, attributes, collecting

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a collector."""
    with collecting() as found:
        yield found


@pytest.fixture
def traced(served: Callable[..., Any], collector: Collector) -> Callable[..., Any]:
    """Return a function that starts an application with traces."""

    def start(share: float = 1, **given: Any) -> Any:  # noqa: ANN401 - what ``served`` takes and returns
        return served(traces=collector.url, trace_sampling=share, **given)

    return start


def flush(app: Any) -> None:  # noqa: ANN401 - a running application of the fixture
    """Send the spans that wait."""
    app.service.traces.provider.force_flush()


def test_a_request_has_a_span_with_those_of_its_stages_below(
    traced: Callable[..., Any], photo: bytes, collector: Collector
) -> None:
    app = traced()
    app.client.post("/predict", content=photo, headers={"x-request-id": "abc"})
    flush(app)
    by_name = {span.name: span for span in collector.spans}
    assert set(by_name) == {"POST /predict", "decode"}
    request, decode = by_name["POST /predict"], by_name["decode"]
    assert decode.trace_id == request.trace_id
    assert decode.parent_span_id == request.span_id
    assert request.start_time_unix_nano <= decode.start_time_unix_nano <= decode.end_time_unix_nano
    found = attributes(request.attributes)
    assert found["http.route"] == "/predict"
    assert found["http.status_code"] == "200"
    assert found["petmood.request_id"] == "abc"
    assert "petmood.code" not in found


def test_a_trace_of_a_client_is_continued_and_its_id_is_in_the_log(
    traced: Callable[..., Any], photo: bytes, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    app = traced(share=0)
    with caplog.at_level(logging.INFO, logger="petmood"):
        app.client.post("/predict", content=photo, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    flush(app)
    (request,) = [span for span in collector.spans if span.name == "POST /predict"]
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    (line,) = [record for record in caplog.records if record.getMessage() == "POST /predict 200"]
    assert vars(line)["trace_id"] == TRACE


def test_a_trace_that_begins_here_has_its_id_in_the_log_although_a_proxy_names_another(
    traced: Callable[..., Any], photo: bytes, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    app = traced()
    with caplog.at_level(logging.INFO, logger="petmood"):
        app.client.post("/predict", content=photo, headers={"x-cloud-trace-context": f"{TRACE}/1"})
    flush(app)
    (line,) = [record for record in caplog.records if record.getMessage() == "POST /predict 200"]
    assert {span.trace_id.hex() for span in collector.spans} == {vars(line)["trace_id"]}


def test_a_client_that_does_not_sample_gets_no_span(
    traced: Callable[..., Any], photo: bytes, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    app = traced()
    with caplog.at_level(logging.INFO, logger="petmood"):
        app.client.post("/predict", content=photo, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    flush(app)
    assert collector.spans == []
    (line,) = [record for record in caplog.records if record.getMessage() == "POST /predict 200"]
    assert vars(line)["trace_id"] == TRACE


def test_health_checks_and_metrics_are_not_traced(
    traced: Callable[..., Any], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/healthy")
    app = traced()
    for path in ("/livez", "/readyz", "/metrics", "/metrics/", "/healthy"):
        assert app.client.get(path, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status_code == 200
    app.client.get("/model")
    flush(app)
    assert [span.name for span in collector.spans] == ["GET /model"]


def test_a_refusal_has_its_code_and_an_unknown_path_is_in_no_span(
    traced: Callable[..., Any], collector: Collector
) -> None:
    app = traced()
    app.client.post("/predict", content=b"no photo")
    app.client.get("/private/path")
    flush(app)
    refused, unknown = (span for span in collector.spans if span.name != "decode")
    assert refused.name == "POST /predict"
    assert attributes(refused.attributes)["petmood.code"] == "unsupported_format"
    assert unknown.name == "GET"
    assert attributes(unknown.attributes)["petmood.code"] == "not_found"
    assert not any(b"private" in body for body in collector.bodies)


def test_headers_that_can_t_be_decoded_change_no_answer_and_nothing_of_a_client_is_in_a_span(
    traced: Callable[..., Any], photo: bytes, collector: Collector
) -> None:
    app = traced(token="".join(map(str, range(20))))
    secret = "".join(map(str, range(20)))
    odd = [(b"user-agent", b"private\\xff\xff\\x"), (b"baggage", b"\xff\\x"), (b"tracestate", b"\xff\\x")]
    headers = [*odd, (b"authorization", f"Bearer {secret}".encode()), (b"x-forwarded-for", b"203.0.113.9")]
    answer = app.client.post("/predict?key=private", content=photo, headers=headers)
    assert answer.status_code == 200, answer.content
    flush(app)
    assert "POST /predict" in {span.name for span in collector.spans}
    for hidden in (b"private", secret.encode(), b"203.0.113.9", b"testclient"):
        assert not any(hidden in body for body in collector.bodies), hidden


def test_without_a_collector_there_are_no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_TRACE_SAMPLING", "1")
    assert create_app(FakePredictor(), settings=Settings()).state.service.traces is None

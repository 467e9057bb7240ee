"""Tests of request ids, error responses, access logs and metrics."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from petmood.core.errors import BundleError, Overloaded, RequestTimeout, TooSmall, Unauthorized
from petmood.inference.base import Answer
from petmood.inference.fake import FakePredictor
from petmood.serving.drain import DrainState
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.middleware import observability as observe
from petmood.serving.middleware.observability import ObservabilityMiddleware, error_headers


def ask(
    app: ASGIApp,
    *,
    declared: int | None = 0,
    pieces: tuple[bytes, ...] = (),
    drain: DrainState | None = None,
    metrics: ServiceMetrics | None = None,
    **headers: str,
) -> list[Message]:
    """Send one request through the middleware to an app, and return what it sent; None declared is chunked."""
    sent: list[Message] = []
    left = list(pieces)
    headers |= {"transfer-encoding": "chunked"} if declared is None else {"content-length": str(declared)}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": pairs}

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(
        ObservabilityMiddleware(app, metrics=metrics or ServiceMetrics(), drain=drain or DrainState())(
            scope, receive, send
        )
    )
    return sent


def raising(error: Exception) -> ASGIApp:
    """Return an app that raises."""

    async def app(*_: Any) -> None:  # noqa: ANN401 - three of ASGI's
        raise error

    return app


async def answering(_: Any, __: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    """Send a response in two chunks."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})


async def nothing(*_: Any) -> Any:  # noqa: ANN401 - never called
    """Placeholder that is never called."""
    raise AssertionError


def headers_of(sent: list[Message]) -> dict[bytes, bytes]:
    """Return the headers of a response."""
    return dict(sent[0]["headers"])


def test_a_request_gets_its_id_back_and_every_answer_forbids_guessing_its_type(served: Callable[..., Any]) -> None:
    response = served().client.get("/livez", headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_fault_of_ours_is_reported_without_its_text(
    served: Callable[..., Any], photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakePredictor):
        def card(self) -> Any:  # noqa: ANN401 - never returns
            raise RuntimeError("/srv/secret/place")

        @property
        def classes(self) -> tuple[str, ...]:
            return ("happy", "sad")

    app = served(Broken())
    response = app.client.get("/model", headers={"x-request-id": "r1"})
    assert response.status_code == 500
    assert response.json() == {
        "code": "internal",
        "message": "The service failed unexpectedly, and the error was logged. Try again later.",
        "request_id": "r1",
    }
    assert "/srv/secret/place" in caplog.text
    assert app.client.post("/predict", content=photo).status_code == 200


def test_numbers_grow_by_exactly_what_happened(served: Callable[..., Any], photo: bytes) -> None:
    app = served()
    for content in (photo, photo, b"", photo[:300]):
        app.client.post("/predict", content=content)
    app.client.get("/nothing/here")
    assert app.counted('petmood_requests_total{method="POST",route="/predict",status="200"}') == 2
    assert app.counted('petmood_requests_total{method="POST",route="/predict",status="400"}') == 1
    assert app.counted('petmood_requests_total{method="GET",route="none",status="404"}') == 1
    assert app.counted('petmood_errors_total{code="empty_file"}') == 1
    assert app.counted('petmood_errors_total{code="corrupt_image"}') == 1
    assert app.counted('petmood_errors_total{code="not_found"}') == 1
    duration = 'petmood_request_duration_seconds_count{method="POST",route="/predict",status="%s"}'
    assert [app.counted(duration % status) for status in ("2xx", "4xx")] == [2, 2]
    assert app.counted("petmood_requests_in_flight") == 0


@pytest.mark.parametrize(
    ("app", "status"), [(answering, "2xx"), (raising(TooSmall("x")), "4xx")], ids=["answered", "refused"]
)
def test_who_has_the_answer_finds_it_in_the_numbers(app: ASGIApp, status: str) -> None:
    """The next scrape may hit another process immediately."""
    metrics = ServiceMetrics()
    pages = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            pages.append(metrics.render().decode())

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    asyncio.run(ObservabilityMiddleware(app, metrics=metrics, drain=DrainState())(scope, nothing, send))
    for page in (*pages, metrics.render().decode()):
        assert f'petmood_request_duration_seconds_count{{method="POST",route="none",status="{status}"}} 1.0' in page
        assert "petmood_requests_in_flight 0.0" in page
    assert len(pages) == 1


def test_a_line_is_logged_for_a_request_but_not_for_every_look_at_its_health(
    served: Callable[..., Any], photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = served()
    with caplog.at_level(logging.INFO, logger="petmood"):
        app.client.get("/livez")
        app.client.post("/predict", content=photo, headers={"x-request-id": "seen"})
        app.client.post("/predict", content=b"", headers={"x-request-id": "refused"})
    lines = [
        (record.getMessage(), vars(record)["request_id"], vars(record)["code"])
        for record in caplog.records
        if record.name == observe.__name__
    ]
    assert lines == [("POST /predict 200", "seen", None), ("POST /predict 400", "refused", "empty_file")]


def test_a_refusal_says_when_to_come_again_and_how_to_sign_in() -> None:
    assert error_headers(Overloaded("x")) == [(b"retry-after", b"1")]
    assert error_headers(Unauthorized("x")) == [(b"www-authenticate", b"Bearer")]
    assert error_headers(TooSmall("x")) == []


def test_a_large_body_that_nobody_reads_is_thrown_away_and_the_connection_closed() -> None:
    sent = ask(raising(Overloaded("x")), declared=1_000_000, pieces=(b"x" * 500_000, b"x" * 500_000))
    assert headers_of(sent)[b"connection"] == b"close"
    assert [message.get("more_body", False) for message in sent[1:]] == [True, False]


def test_a_small_body_that_nobody_reads_keeps_the_connection() -> None:
    sent = ask(raising(Overloaded("x")), declared=10, pieces=(b"x" * 10,))
    assert b"connection" not in headers_of(sent)
    assert sent[0]["status"] == 503


def test_a_chunked_body_that_nobody_reads_closes_the_connection_for_nobody_knows_how_long_it_is() -> None:
    assert headers_of(ask(raising(Overloaded("x")), declared=None, pieces=(b"x",)))[b"connection"] == b"close"


def test_who_waits_for_leave_to_send_and_is_refused_gets_the_connection_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a client sends its next request in place of the body."""
    monkeypatch.setattr(observe, "CLOSE_WAIT_S", 0.01)
    sent = ask(raising(Unauthorized("x")), declared=10, expect="100-continue")
    assert (sent[0]["status"], headers_of(sent)[b"connection"]) == (401, b"close")


def test_a_sender_who_was_too_slow_gets_the_connection_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "CLOSE_WAIT_S", 0.01)
    assert headers_of(ask(raising(RequestTimeout("x")), declared=10))[b"connection"] == b"close"


def test_a_body_that_was_read_leaves_the_connection_open() -> None:
    async def app(_: Any, receive: Any, __: Any) -> None:  # noqa: ANN401 - ASGI's
        while (await receive())["more_body"]:
            pass
        raise TooSmall("x")

    sent = ask(app, declared=1_000_000, pieces=(b"x" * 500_000, b"x" * 500_000))
    assert (sent[0]["status"], b"connection" in headers_of(sent), len(sent)) == (422, False, 2)


def test_whoever_goes_away_before_an_answer_is_counted_as_499() -> None:
    async def app(*_: Any) -> None:  # noqa: ANN401 - ASGI's
        raise asyncio.CancelledError

    metrics = ServiceMetrics()
    with pytest.raises(asyncio.CancelledError):
        ask(app, metrics=metrics)
    page = metrics.render().decode()
    assert 'petmood_requests_total{method="POST",route="none",status="499"} 1.0' in page
    assert "petmood_requests_in_flight 0.0" in page


def test_an_error_of_another_package_is_reported_as_a_fault_of_ours() -> None:
    assert ask(raising(BundleError("x")))[0]["status"] == 500


def test_a_sender_who_goes_on_and_on_is_not_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("petmood.serving.middleware.observability.CLOSE_WAIT_S", 0.05)
    monkeypatch.setattr("petmood.serving.middleware.observability.CLOSE_WAIT_BYTES", 100)
    assert len(ask(raising(Overloaded("x")), declared=10**9, pieces=(b"x" * 60,) * 50)) == 3
    assert len(ask(raising(Overloaded("x")), declared=10**9)) == 3


def test_near_the_end_every_answer_closes_its_connection() -> None:
    drain = DrainState()
    drain.begin()
    assert headers_of(ask(raising(TooSmall("x")), drain=drain))[b"connection"] == b"close"


def test_after_an_answer_has_begun_nothing_can_be_repaired(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("halfway")

    assert [message["type"] for message in ask(app)] == ["http.response.start"]
    assert "halfway" in caplog.text


def test_what_is_no_request_is_passed_on() -> None:
    seen = []

    async def app(scope: Any, *_: Any) -> None:  # noqa: ANN401 - ASGI's
        seen.append(scope["type"])

    asyncio.run(
        ObservabilityMiddleware(app, metrics=ServiceMetrics(), drain=DrainState())(
            {"type": "lifespan"}, nothing, nothing
        )
    )
    assert seen == ["lifespan"]


def test_a_predictor_that_fails_is_reported_in_the_same_form(served: Callable[..., Any], photo: bytes) -> None:
    class Failing(FakePredictor):
        def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
            del photos
            raise MemoryError(Path("/secret"))

    app = served(Failing())
    response = app.client.post("/predict", content=photo)
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert app.client.get("/readyz").status_code == 200


def test_a_request_without_the_token_is_counted_where_the_alert_rule_looks(
    served: Callable[..., Any], photo: bytes
) -> None:
    app = served(token="0123456789" * 4)
    assert app.client.post("/predict", content=photo).status_code == 401
    assert app.counted('petmood_requests_total{method="POST",route="none",status="401"}') == 1

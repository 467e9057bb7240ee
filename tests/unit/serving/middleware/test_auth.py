"""Tests of authentication, origin check, rate limiting and public paths."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from petmood.core.errors import Forbidden, TooManyRequests
from petmood.serving.logs import JsonLines
from petmood.serving.middleware import auth as guard
from petmood.serving.middleware.auth import AuthMiddleware, RateLimit
from petmood.serving.settings import Settings

TOKEN, ADMIN = "3f9ac2d871be40556ad1", "b17e6c0d92f34a8855aa"


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"authorization": f"Bearer {token}"}


def test_without_a_token_set_everybody_may_ask(served: Callable[..., Any], photo: bytes) -> None:
    assert served().client.post("/predict", content=photo).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), {"authorization": f"Basic {TOKEN}"}, bearer(TOKEN + "x"), bearer(""), bearer(ADMIN)],
)
def test_with_a_token_set_nobody_else_may_ask(
    served: Callable[..., Any], photo: bytes, headers: dict[str, str]
) -> None:
    app = served(token=TOKEN, admin_token=ADMIN)
    for path in ("/predict", "/predict/batch", "/model", "/unknown"):
        response = app.client.post(path, content=photo, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_right_token_opens(served: Callable[..., Any], photo: bytes) -> None:
    app = served(token=TOKEN)
    assert app.client.post("/predict", content=photo, headers=bearer(TOKEN)).status_code == 200
    assert app.client.post("/predict", content=photo, headers={"authorization": f"bearer  {TOKEN} "}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/static/landing.js"])
def test_health_numbers_and_documentation_need_no_token(served: Callable[..., Any], path: str) -> None:
    assert served(token=TOKEN).client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("setting", "closed"), [("public_metrics", {"/metrics"}), ("public_docs", {"/docs", "/openapi.json"})]
)
def test_numbers_and_documentation_may_need_the_token(
    served: Callable[..., Any], setting: str, closed: set[str]
) -> None:
    client = served(token=TOKEN, **{setting: False}).client
    for path in ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json"):
        for ask in (client.get, client.head):
            for written in (path, f"{path}/"):
                assert ask(written).status_code == (401 if path in closed else 200), written
                assert ask(written, headers=bearer(TOKEN)).status_code == 200


def test_where_vertex_looks_after_our_health_it_needs_no_token(served: Callable[..., Any]) -> None:
    app = served(token=TOKEN, vertex_health_route="/health", vertex_predict_route="/ask")
    assert app.client.get("/health").status_code == 200
    assert app.client.post("/ask", json={"instances": []}).status_code == 401


def test_admin_routes_are_off_without_a_token_and_closed_with_the_wrong_one(served: Callable[..., Any]) -> None:
    off = served().client.post("/models/rollback")
    assert (off.status_code, off.json()["message"]) == (
        403,
        "Admin routes are disabled. Set PETMOOD_ADMIN_TOKEN of the service to enable them.",
    )
    app = served(token=TOKEN, admin_token=ADMIN)
    for path in ("/models", "/models/rollback", "/models/load"):
        assert app.client.post(path, headers=bearer(TOKEN)).status_code == 401
    assert app.client.post("/models/rollback", headers=bearer(ADMIN)).status_code == 422


def test_pages_of_other_origins_may_not_post(served: Callable[..., Any], photo: bytes) -> None:
    app = served(origins=("https://pets.example",))

    def status(origin: str) -> int:
        return int(app.client.post("/predict", content=photo, headers={"origin": origin}).status_code)

    assert [status(origin) for origin in ("https://evil.example", "null", "http://testserver.evil.example")] == [
        403
    ] * 3
    assert [status(origin) for origin in ("https://pets.example", "http://testserver")] == [200] * 2
    assert app.client.get("/model", headers={"origin": "https://evil.example"}).status_code == 200


def test_an_allowed_page_gets_the_headers_that_its_browser_asks_for(served: Callable[..., Any]) -> None:
    app = served(origins=("https://pets.example",), token=TOKEN)
    asked = {"origin": "https://pets.example", "access-control-request-method": "POST"}
    response = app.client.options("/predict", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://pets.example"


def test_an_allowed_page_may_send_a_token_and_read_refusals_with_their_id(served: Callable[..., Any]) -> None:
    app = served(origins=("https://pets.example",), token=TOKEN)
    page = {"origin": "https://pets.example"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    assert app.client.options("/predict", headers=page | asked).status_code == 200
    refused = app.client.post("/predict", content=b"x", headers=page)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://pets.example"
    assert "X-Request-Id" in refused.headers["access-control-expose-headers"]


def test_a_page_that_was_not_allowed_gets_no_such_headers(served: Callable[..., Any]) -> None:
    app = served(origins=("https://pets.example",))
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for response in (app.client.options("/predict", headers=asked), app.client.get("/model", headers=asked)):
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["null", "http://[", "", "testserver", "http://"])
def test_an_origin_that_is_no_address_is_another_one_even_where_no_host_was_asked(origin: str) -> None:
    async def nobody(*_: Any) -> None:  # noqa: ANN401 - ASGI's
        raise AssertionError("it was let in")

    async def nothing() -> dict[str, Any]:
        raise AssertionError("it was read")

    for host in ([], [(b"host", b"testserver")], [(b"host", b"")]):
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"origin", origin.encode()), *host]}
        with pytest.raises(Forbidden, match="is not allowed"):
            asyncio.run(AuthMiddleware(nobody, settings=Settings())(scope, nothing, nobody))


def test_a_token_is_never_logged_whether_right_or_wrong(
    served: Callable[..., Any], photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = served(token=TOKEN, admin_token=ADMIN)
    with caplog.at_level(logging.DEBUG):
        for token in (TOKEN, ADMIN):
            app.client.post("/predict", content=photo, headers=bearer(token))
            app.client.post("/models/rollback", headers=bearer(token))
    lines = [JsonLines().format(record) for record in caplog.records]
    assert len([line for line in lines if "request_id" in line]) == 4
    assert not [line for line in lines if TOKEN in line or ADMIN in line]


def test_a_token_with_strange_characters_is_wrong_and_no_fault(served: Callable[..., Any], photo: bytes) -> None:
    headers = {"authorization": b"Bearer \xff\xfe\xe9" + b"x" * 5000}
    assert served(token=TOKEN).client.post("/predict", content=photo, headers=headers).status_code == 401


def test_an_address_may_ask_as_often_as_the_rate_allows_and_no_more() -> None:
    now = [0.0]
    rate = RateLimit(60, clock=lambda: now[0])
    for _ in range(60):
        rate.refuse_if_spent("a")
    with pytest.raises(TooManyRequests, match="at most 60 requests per minute"):
        rate.refuse_if_spent("a")
    rate.refuse_if_spent("b")
    now[0] = 1.01
    rate.refuse_if_spent("a")
    with pytest.raises(TooManyRequests):
        rate.refuse_if_spent("a")


def test_who_asks_too_often_is_still_answered_at_the_rate() -> None:
    """A rejection consumes no token: otherwise a client at twice the rate would be rejected forever."""
    now = [0.0]
    rate, answered = RateLimit(60, clock=lambda: now[0]), 0
    for _ in range(1200):
        now[0] += 0.5
        with contextlib.suppress(TooManyRequests):
            rate.refuse_if_spent("x")
            answered += 1
    assert answered == pytest.approx(600 + 60, abs=2)


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    now = [100.0]
    rate = RateLimit(1, clock=lambda: now[0])
    rate.refuse_if_spent("a")
    now[0] = 161.0
    rate.refuse_if_spent("a")


def test_memory_for_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REMEMBERED", 3)
    rate = RateLimit(1, clock=lambda: 0.0)
    for address in "abcd":
        rate.refuse_if_spent(address)
    rate.refuse_if_spent("a")  # evicted, so it has a full bucket again
    with pytest.raises(TooManyRequests):
        rate.refuse_if_spent("d")


def test_the_name_of_a_client_is_kept_no_longer_than_needed() -> None:
    rate = RateLimit(1, clock=lambda: 0.0)
    rate.refuse_if_spent("x" * 50_000)
    assert [len(name) for name in rate._left] == [64]


def statuses_at_5_a_minute(served: Callable[..., Any], *forwarded: str, **settings: Any) -> list[int]:  # noqa: ANN401 - any setting
    """Send a request for each forwarded address from the test client's own address; return the statuses."""
    client = served(rate_per_minute=5, **settings).client
    client._transport.client = ("127.0.0.1", 50_000)
    return [client.get("/model", headers={"x-forwarded-for": one}).status_code for one in forwarded]


@pytest.mark.parametrize("text", ["client-{}", "{}" + "x" * 50_000, "unknown{}", "6.6.6.6{}.", "_{}"])
def test_forwarded_text_that_is_no_address_is_the_proxy_s_own(served: Callable[..., Any], text: str) -> None:
    forwarded = [text.format(number) for number in range(300, 330)]
    assert statuses_at_5_a_minute(served, *forwarded).count(200) == 5


def test_forwarded_addresses_are_limited_each(served: Callable[..., Any]) -> None:
    assert statuses_at_5_a_minute(served, *(f"10.0.0.{number}" for number in range(30))) == [200] * 30
    networks = [f"2001:db8:0:{number}::1" for number in range(30)]
    assert statuses_at_5_a_minute(served, *networks) == [200] * 30


def test_the_addresses_of_one_ipv6_network_are_one_client(served: Callable[..., Any]) -> None:
    addresses = [f"2001:db8:0:1::{number}" for number in range(30)]
    assert statuses_at_5_a_minute(served, *addresses).count(200) == 5


def test_where_every_peer_is_trusted_a_forged_address_does_not_count(served: Callable[..., Any]) -> None:
    forged = [f"6.6.6.{number}, 10.0.0.1" for number in range(30)]
    assert statuses_at_5_a_minute(served, *forged, trusted_proxies="*").count(200) == 5
    assert statuses_at_5_a_minute(served, *forged, trusted_proxies="*", proxy_hops=2) == [200] * 30


def test_a_rate_is_reported_as_429_with_when_to_come_again(served: Callable[..., Any], photo: bytes) -> None:
    app = served(rate_per_minute=1)
    statuses = [app.client.post("/predict", content=photo).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    assert app.client.post("/predict", content=photo).headers["retry-after"] == "60"
    assert app.client.get("/readyz").status_code == 200

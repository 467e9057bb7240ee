"""Are tokens, origins and rates checked, and the right doors open to all?"""

from collections.abc import Callable
from typing import Any

import pytest

from petmood.core.errors import TooManyRequests
from petmood.serving.middleware import guard
from petmood.serving.middleware.guard import RateLimit

__all__: list[str] = []

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
        assert (response.status_code, response.json()["code"]) == (401, "unauthorised")
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_right_token_opens(served: Callable[..., Any], photo: bytes) -> None:
    app = served(token=TOKEN)
    assert app.client.post("/predict", content=photo, headers=bearer(TOKEN)).status_code == 200
    assert app.client.post("/predict", content=photo, headers={"authorization": f"bearer  {TOKEN} "}).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_health_numbers_and_documentation_need_no_token(served: Callable[..., Any], path: str) -> None:
    assert served(token=TOKEN).client.get(path).status_code == 200


def test_where_vertex_looks_after_our_health_it_needs_no_token(served: Callable[..., Any]) -> None:
    app = served(token=TOKEN, vertex_health_route="/health", vertex_predict_route="/ask")
    assert app.client.get("/health").status_code == 200
    assert app.client.post("/ask", json={"instances": []}).status_code == 401


def test_admin_routes_are_off_without_a_token_and_closed_with_the_wrong_one(served: Callable[..., Any]) -> None:
    off = served().client.post("/models/rollback")
    assert (off.status_code, off.json()["message"]) == (403, "Admin routes are off. Set PETMOOD_ADMIN_TOKEN.")
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


def test_an_address_may_ask_as_often_as_the_rate_allows_and_no_more() -> None:
    now = [0.0]
    rate = RateLimit(60, clock=lambda: now[0])
    for _ in range(60):
        rate.refuse_if_spent("a")
    with pytest.raises(TooManyRequests, match="at most 60 requests a minute"):
        rate.refuse_if_spent("a")
    rate.refuse_if_spent("b")
    now[0] = 1.01
    rate.refuse_if_spent("a")
    with pytest.raises(TooManyRequests):
        rate.refuse_if_spent("a")


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
    rate.refuse_if_spent("a")  # forgotten, so it may ask again
    with pytest.raises(TooManyRequests):
        rate.refuse_if_spent("d")


def test_a_rate_is_told_as_429_with_when_to_come_again(served: Callable[..., Any], photo: bytes) -> None:
    app = served(rate_per_minute=1)
    statuses = [app.client.post("/predict", content=photo).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    assert app.client.post("/predict", content=photo).headers["retry-after"] == "1"
    assert app.client.get("/readyz").status_code == 200

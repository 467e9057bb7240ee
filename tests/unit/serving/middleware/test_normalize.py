"""Tests of what all routes share: Host, content coding, HEAD requests, OPTIONS and a trailing slash."""

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Scope

from petmood.core.errors import BadRequest
from petmood.serving.middleware.context import start_request_context
from petmood.serving.middleware.normalize import NormalizingMiddleware
from tests.support.wire import body_of, connect, everything, running

GET_ROUTES = ["/", "/livez", "/readyz", "/model", "/metrics", "/docs", "/openapi.json", "/static/landing.js", "/health"]
TOKEN, ADMIN = "3f9ac2d871be40556ad1", "b17e6c0d92f34a8855aa"


def passed_on(path: str = "/x", *, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Scope:
    """Return the scope with which the application is called."""
    scope: Scope = {"type": "http", "http_version": "1.1", "method": method, "path": path}
    scope["headers"] = [(b"host", b"x"), *headers]
    scope["state"] = {"call": start_request_context(scope)}
    seen: list[Scope] = []

    async def app(scope: Scope, *_: Any) -> None:  # noqa: ANN401 - two of ASGI's
        seen.append(dict(scope))

    async def never(*_: Any) -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    asyncio.run(NormalizingMiddleware(app)(scope, never, never))
    assert scope["method"] == method
    return seen[0]


# --- HEAD and OPTIONS -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GET_ROUTES)
def test_head_is_get_without_the_body(served: Callable[..., Any], path: str) -> None:
    client = served(vertex_health_route="/health").client
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # it counts the first request
        assert head.headers["content-length"] == got.headers["content-length"]


def test_a_head_request_has_no_body_on_the_wire() -> None:
    request = b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running() as port, connect(port) as connection:
        connection.sendall(request)
        said = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"200", b"404"]
    assert b"{" not in said


def test_a_head_request_is_counted_as_one(served: Callable[..., Any]) -> None:
    app = served()
    app.client.head("/livez")
    assert app.counted('petmood_requests_total{method="HEAD",route="/livez",status="200"}') == 1


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_with_those_allowed(served: Callable[..., Any], method: str) -> None:
    client = served().client
    response = client.request(method, "/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    if method not in {"HEAD", "GET"}:
        assert client.request(method, "/livez").headers["allow"] == "GET, HEAD"


def test_options_lists_the_methods(served: Callable[..., Any]) -> None:
    client = served(token=TOKEN).client
    for path, allowed in (("/predict", "POST"), ("/livez", "GET, HEAD"), ("/model", "GET, HEAD")):
        response = client.options(path)
        assert (response.status_code, response.headers["allow"], response.content) == (204, allowed, b"")
    assert client.options("/nothing").status_code == 404


# --- paths ------------------------------------------------------------------------------------------------------------


def test_a_trailing_slash_makes_no_difference_and_no_redirect(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    got = client.post("/predict/", content=photo, headers={"host": "evil.example"}, follow_redirects=False)
    assert got.status_code == 200
    assert client.get("/livez/", follow_redirects=False).status_code == 200
    assert client.post("/predict/batch/", files=[("photo", photo)], follow_redirects=False).status_code == 200


@pytest.mark.parametrize("path", ["/predict//", "/predict/batch//", "/static", "/static/", "/nothing/"])
def test_nothing_is_redirected_to_the_host_that_a_client_names(served: Callable[..., Any], path: str) -> None:
    got = served().client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    assert got.status_code == 404
    assert "location" not in got.headers


def test_a_trailing_slash_opens_no_admin_route(served: Callable[..., Any]) -> None:
    client = served(token=TOKEN, admin_token=ADMIN).client
    for path in ("/models/", "/models/load/", "/models/rollback/", "/predict/", "/model/"):
        assert client.post(path, follow_redirects=False).status_code == 401, path


def test_a_route_of_vertex_with_a_slash_is_found_either_way(served: Callable[..., Any]) -> None:
    client = served(vertex_health_route="/ping/", vertex_predict_route="/v1/").client
    for path in ("/ping", "/ping/"):
        assert client.get(path).status_code == 200
    for path in ("/v1", "/v1/"):
        assert client.post(path, json={"instances": []}).status_code == 422


@pytest.mark.parametrize(
    ("given", "expected"), [("/", "/"), ("/a/", "/a"), ("/a//", "/a//"), ("//", "//"), ("/a", "/a")]
)
def test_one_slash_at_the_end_is_removed(given: str, expected: str) -> None:
    assert passed_on(given)["path"] == expected


# --- Host -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        b"Host: a\r\nHost: b\r\n",
        b"Host: a\r\nHost: a\r\n",
        b"Host: a b\r\n",
        b"Host: a/b\r\n",
        b"Host: user@a\r\n",
        b"Host: a:b\r\n",
        b"Host: a:80:80\r\n",
        b"Host: [::1\r\n",
        b"Host: a, b\r\n",
    ],
)
def test_a_request_needs_one_valid_host(hosts: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n" + hosts + b"\r\nGET /model HTTP/1.1\r\nHost: x\r\n\r\n")
        said = everything(connection)
    assert said.count(b"HTTP/1.1 ") == 1
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close\r\n" in said
    assert "Host header" in body_of(said)["message"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.0\r\n",
        b"GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n",
        b"GET /livez HTTP/1.1\r\nHost: PETS.example:8000\r\nConnection: close\r\n",
        b"GET /livez HTTP/1.1\r\nHost: [2001:db8::1]:8000\r\nConnection: close\r\n",
        b"GET /livez HTTP/1.1\r\nHost: my_service.default\r\nConnection: close\r\n",
        b"GET http://other.example/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
    ],
)
def test_other_hosts_are_taken(head: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(head + b"\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


ALLOWED = ("localhost", "*.Pets.example", "[::1]")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"Host: localhost\r\n", 200),
        (b"Host: LOCALHOST:8000\r\n", 200),
        (b"Host: a.pets.EXAMPLE:8000\r\n", 200),
        (b"Host: [::1]:8000\r\n", 200),
        (b"Host: pets.example\r\n", 400),
        (b"Host: badpets.example\r\n", 400),
        (b"Host: rebound.example\r\n", 400),
        (b"Host: localhost.rebound.example\r\n", 400),
        (b"Host: 127.0.0.1\r\n", 400),
        (b"Host: x.pets.example.rebound\r\n", 400),
        (b"Host:\r\n", 400),
    ],
)
def test_only_allowed_hosts_are_answered(host: bytes, status: int) -> None:
    with running(allowed_hosts=ALLOWED) as port, connect(port) as connection:
        connection.sendall(b"GET /model HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n")
        said = everything(connection)
    assert said.startswith(f"HTTP/1.1 {status} ".encode())
    if status == 400:
        body = body_of(said)
        assert body["code"] == "bad_request"
        assert body["message"].endswith(" is not allowed. Add it to PETMOOD_ALLOWED_HOSTS of the service.")


def test_a_request_without_a_host_is_refused_where_hosts_are_limited() -> None:
    with running(allowed_hosts=ALLOWED) as port, connect(port) as connection:
        connection.sendall(b"GET /model HTTP/1.0\r\n\r\n")
        assert b" 400 " in everything(connection).partition(b"\r\n")[0]


@pytest.mark.parametrize("path", [b"/livez", b"/readyz", b"/readyz/", b"/health"])
def test_probes_may_name_every_host(path: bytes) -> None:
    with running(allowed_hosts=ALLOWED, vertex_health_route="/health") as port, connect(port) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 10.8.0.3:8000\r\nConnection: close\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_a_post_to_a_host_that_is_not_allowed_is_refused_before_its_body_is_read() -> None:
    with running(allowed_hosts=ALLOWED) as port, connect(port) as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nContent-Type: image/jpeg\r\n"
        connection.sendall(head + b"Content-Length: 1000000\r\n\r\n")
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close\r\n" in said


# --- codings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v1"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-gzip", "identity, GZIP"])
def test_a_compressed_body_is_refused_by_name(served: Callable[..., Any], photo: bytes, path: str, coding: str) -> None:
    body = zlib.compress(photo) if coding == "deflate" else gzip.compress(photo)
    client = served(vertex_predict_route="/v1").client
    got = client.post(path, content=body, headers={"content-encoding": coding, "content-type": "image/jpeg"})
    assert (got.status_code, got.json()["code"]) == (415, "unsupported_coding")
    assert coding.rsplit(", ", maxsplit=1)[-1].lower() in got.json()["message"]
    assert got.headers["accept-encoding"] == "identity"


def test_a_body_that_is_not_compressed_may_say_so(served: Callable[..., Any], photo: bytes) -> None:
    client = served().client
    for coding in ("identity", "", "Identity"):
        assert client.post("/predict", content=photo, headers={"content-encoding": coding}).status_code == 200
    assert client.get("/livez", headers={"content-encoding": "gzip"}).status_code == 200, "there is no body"


def test_a_transfer_coding_besides_chunked_is_refused() -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    with running() as port, connect(port) as connection:
        connection.sendall(head)
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert "'gzip'" in body_of(said)["message"]


def test_what_is_no_request_is_passed_on() -> None:
    seen: list[str] = []

    async def app(scope: Scope, *_: Any) -> None:  # noqa: ANN401 - two of ASGI's
        seen.append(scope["type"])

    async def never(*_: Any) -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    asyncio.run(NormalizingMiddleware(app)({"type": "lifespan"}, never, never))
    assert seen == ["lifespan"]


def test_a_refusal_ends_the_connection() -> None:
    scope: Scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "headers": []}
    call = start_request_context(scope)
    scope["state"] = {"call": call}
    with pytest.raises(BadRequest, match="Expected one Host header, got 0"):
        asyncio.run(NormalizingMiddleware(lambda *_: None)(scope, None, None))  # type: ignore[arg-type] # never called
    assert call.closes

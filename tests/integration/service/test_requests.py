"""Tests of hostile requests: oversized bodies, request smuggling, and bodies that are expensive to parse."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from tests.integration.service.hostile import SMUGGLED
from tests.support.fault_table import FaultTable
from tests.support.served import Served, everything, form, head_of, one_answer, serving

proof = pytest.mark.proof
HOST = b"Host: x\r\n"
POST = b"POST /predict HTTP/1.1\r\n" + HOST
MB = b"a" * 1_000_000


def test_a_hostile_request_gets_a_plain_refusal(service: Served) -> None:
    with service.connect() as connection:
        connection.sendall(POST + SMUGGLED["length and chunked"])
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_request"' in said


# --- 11 bodies that are too large -------------------------------------------------------------------------------------


def megabytes(count: int) -> Iterator[bytes]:
    """Yield a body piece by piece, so that it is sent chunked."""
    for _ in range(count):
        yield MB


@proof
@pytest.mark.parametrize("path", ["/predict", "/models/load"])
@pytest.mark.parametrize("way", ["with its length", "chunked", "as text", "as a form"])
def test_50_mb_are_refused_at_the_limit(service: Served, table: FaultTable, good: bytes, path: str, way: str) -> None:
    kinds = {"as text": "text/plain", "as a form": "multipart/form-data; boundary=edge"}
    before_mb, errors = service.memory_mb(), service.numbers()
    service.forget_peak()
    body = megabytes(50) if way == "chunked" else MB * 50
    answer = service.ask(path, method="POST", body=body, headers={"Content-Type": kinds.get(way, "image/jpeg")})
    growth_mb = service.memory_mb(peak=True) - before_mb
    table.add(11, f"50 MB {way} to {path}", answer.status, answer.code, below_mb=50)
    expected = {"/models/load": (403, "forbidden")}.get(
        path, (415, "unsupported_media_type") if way == "as text" else (413, "too_large")
    )
    assert (answer.status, answer.code) == expected
    assert answer.headers["connection"] == "close"
    name = f'petmood_errors_total{{code="{answer.code}"}}'
    assert service.count(name) == errors.get(name, 0) + 1
    assert growth_mb < 50
    service.wait_for_memory(1.1 * before_mb + 10)
    assert service.predict(good).status == 200


@proof
def test_who_waits_for_permission_is_refused_before_sending(service: Served) -> None:
    with service.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 50000000\r\n\r\n")
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in said


@proof
def test_who_waits_for_permission_gets_it_for_a_good_photo(service: Served, good: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(
            POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(good)
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(good)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


@proof
def test_a_refusal_before_the_body_ends_the_connection_that_waited(service: Served) -> None:
    """The client skips the body, so its next request would be read as the body."""
    with service.connect() as connection:
        head = b"Expect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(POST + head)
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 415 ")
    assert "connection: close" in head_of(said)


@proof
def test_a_small_refused_body_leaves_the_connection_usable(service: Served, good: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(POST + b"Content-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + bytes(1000))
        assert one_answer(connection).startswith(b"HTTP/1.1 415 ")
        connection.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(good) + good)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


# --- request smuggling between chained servers ------------------------------------------------------------------------


@proof
@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(service: Served, name: str) -> None:
    errors = service.count('petmood_errors_total{code="bad_request"}')
    with service.connect() as connection:
        connection.sendall(POST + SMUGGLED[name] + b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n")
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"HTTP/1.1 200" not in said, "what follows must not be read as a request"
    assert service.count('petmood_errors_total{code="bad_request"}') == errors + 1


@proof
@pytest.mark.parametrize(
    "request_line",
    [
        b"CONNECT a:80 HTTP/1.1",
        b"GET http://x HTTP/1.1",
        b"GET \xc3\xa9 HTTP/1.1",
        b"GET /livez HTTP/3.7",
        b"\x16\x03\x01",
    ],
    ids=["CONNECT", "no path", "no ASCII", "HTTP/3.7", "TLS"],
)
def test_what_is_no_request_for_us_is_refused(service: Served, request_line: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(request_line + b"\r\n" + HOST + b"\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")


@proof
@pytest.mark.parametrize(
    "path",
    [
        "/%2e%2e/%2e%2e/etc/passwd",
        "/docs/../../etc/passwd",
        "//models/load",
        "/%00%ff",
        "/a%0d%0aX-Evil: 1",
        "/" + "a" * 9000,
    ],
)
def test_odd_paths_are_nowhere(service: Served, path: str) -> None:
    with service.connect() as connection:
        connection.sendall(f"GET {path.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 404 ")
    assert "x-evil" not in head_of(said)


@proof
def test_old_and_upgrading_clients_get_their_answer(service: Served) -> None:
    wanted = (
        b"GET /livez HTTP/1.0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    for request in wanted:
        with service.connect() as connection:
            connection.sendall(request)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


CLOSE = b"Connection: close\r\n"
H2C = b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
OFFERS = {
    "HTTP/2": b"Connection: Upgrade, HTTP2-Settings\r\n" + H2C,
    "WebSocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


@proof
@pytest.mark.parametrize("offer", OFFERS)
def test_a_photo_after_an_offer_to_upgrade_is_answered(
    service: Served, table: FaultTable, good: bytes, offer: str
) -> None:
    """The body comes in a second piece, and ends in what would be a request of its own."""
    behind = good + b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n"
    with service.connect() as connection:
        connection.sendall(POST + OFFERS[offer] + b"Content-Length: %d\r\n\r\n" % len(behind))
        connection.sendall(behind)
        said = one_answer(connection)
        connection.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
        last = everything(connection)
    table.add(13, f"photo after an offer of {offer}", int(said.split()[1]))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1") == 1, "what is in the body must not be read as a request"
    assert last.startswith(b"HTTP/1.1 200 ")


@proof
@pytest.mark.parametrize(
    ("given", "request_head", "expected"),
    [
        ("HEAD /livez", b"HEAD /livez HTTP/1.1\r\n" + HOST, (200, "")),
        ("two Host headers", b"GET /livez HTTP/1.1\r\n" + HOST + HOST, (400, "bad_request")),
        ("no Host header", b"GET /livez HTTP/1.1\r\n", (400, "bad_request")),
        ("length of 4,300 digits", POST + b"Content-Length: " + b"9" * 4300 + b"\r\n", (400, "bad_request")),
        ("body in gzip", POST + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n", (415, "unsupported_coding")),
    ],
    ids=["HEAD", "two hosts", "no host", "length", "gzip"],
)
def test_heads_of_requests_have_one_reading(
    service: Served, table: FaultTable, given: str, request_head: bytes, expected: tuple[int, str]
) -> None:
    with service.connect() as connection:
        connection.sendall(request_head + CLOSE + b"\r\n")
        said = everything(connection)
    status, code = int(said.split()[1]), expected[1] if b'"code":"%s"' % expected[1].encode() in said else ""
    table.add(13, given, status, code)
    assert (status, code) == expected
    assert service.ask("/livez").status == 200


# --- bodies that are expensive to parse -------------------------------------------------------------------------------


@proof
def test_deep_and_broad_json_is_refused_before_it_is_built(bundle: Bundle, table: FaultTable, log: Path) -> None:
    """100 MB of empty lists would parse to 2 GB and block every thread."""
    with serving(bundle.folder, log, AIP_PREDICT_ROUTE="/v1") as served:
        for name, filling in (("lists", b"[],"), ("numbers", b"1,"), ("deep lists", b"[")):
            body = b'{"instances":[' + filling * (60_000_000 // len(filling)) + b"1]}"
            before_mb = served.memory_mb()
            served.forget_peak()
            answer = served.ask("/v1", method="POST", body=body, headers={"Content-Type": "application/json"})
            growth_mb = served.memory_mb(peak=True) - before_mb
            table.add(13, f"60 MB of JSON {name}", answer.status, answer.code, below_mb=200)
            assert (answer.status, answer.code) == (400, "bad_request")
            assert growth_mb < 200


@proof
def test_a_form_that_looks_like_its_boundary_everywhere_is_read_in_time(service: Served) -> None:
    """About 0.1 s of CPU time each; a parser that rescans at every chunk would take hours."""
    for piece in (b"\r\n", b"\r\n--edg", b"\r\n-", b"--edge--"):
        body, kind = form(piece * (25_000_000 // len(piece)))
        before_s = service.processor_s()
        assert service.predict(body, kind).status in {400, 415, 422}
        assert service.processor_s() - before_s < 20

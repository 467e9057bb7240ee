"""Tests that requests to upgrade are ordinary requests: their bodies are read, and nothing after them is lost."""

import itertools
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wire import connect, everything, running, until

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
TWICE = b"Upgrade: h2c\r\nUpgrade: websocket, TLS/1.0\r\nconnection: upgrade\r\nConnection: UPGRADE\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

wishes = pytest.mark.parametrize("wish", [H2C, WEBSOCKET, TWICE], ids=["h2c", "websocket", "twice"])


def statuses(said: bytes) -> list[int]:
    """Return the status of every response."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", said)]


def with_length(body: bytes) -> bytes:
    """Return the end of the headers, and a body with its length."""
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(body: bytes) -> bytes:
    """Return the end of the headers, and a body in two chunks with a trailer."""
    half = len(body) // 2
    pieces = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
    return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + b"0\r\nX-Trailer: a\r\n\r\n"


@wishes
@pytest.mark.parametrize("framed", [with_length, in_chunks])
@pytest.mark.parametrize("cut", ["nowhere", "after the headers", "in the headers", "everywhere"])
def test_a_body_is_read_whatever_upgrade_its_client_offers(
    photo: bytes, wish: bytes, framed: Callable[[bytes], bytes], cut: str
) -> None:
    request = POST + wish + framed(photo)
    end = request.index(b"\r\n\r\n") + 4
    places = {"nowhere": [], "after the headers": [end], "in the headers": [end - 30, end - 2]}
    edges = [0, *places.get(cut, range(1, len(request), 97)), len(request)]
    with running() as port, connect(port) as connection:
        for begin, stop in itertools.pairwise(edges):
            connection.sendall(request[begin:stop])
        said = until(connection, b"}")
        connection.sendall(LAST)
        said += everything(connection)
    assert statuses(said) == [200, 200]
    assert b'"label"' in said


@wishes
def test_a_body_in_a_second_piece_is_never_the_next_request(wish: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(POST + wish + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED))
        connection.sendall(SMUGGLED)
        said = until(connection, b"}")
        connection.sendall(LAST)
        said += everything(connection)
    assert statuses(said) == [415, 200], "a body that is no photo, and the last request"
    assert b"petmood_" not in said


@wishes
def test_who_asks_for_leave_to_send_may_offer_an_upgrade_too(photo: bytes, wish: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(POST + wish + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(photo))
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(photo)
        assert statuses(until(connection, b"}")) == [200]


@wishes
def test_pipelined_requests_that_offer_an_upgrade_are_answered_in_order(photo: bytes, wish: bytes) -> None:
    get = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + wish + b"\r\n"
    with running() as port, connect(port) as connection:
        connection.sendall(get + POST + wish + with_length(photo) + get + POST + wish + in_chunks(photo) + LAST)
        said = everything(connection)
    assert statuses(said) == [200] * 5
    assert said.count(b'"label"') == 2


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nrubbish\r\n\r\n",
    ],
)
def test_an_upgrade_excuses_no_request_with_two_readings(head: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(POST + H2C + head + SMUGGLED)
        said = everything(connection)
    assert statuses(said)[-1] == 400
    assert 200 not in statuses(said)


def test_a_tunnel_is_refused() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + SMUGGLED)
        assert statuses(everything(connection)) == [400]


def test_an_upgrade_is_no_warning(photo: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), running() as port, connect(port) as connection:
        connection.sendall(POST + H2C + with_length(photo) + LAST)
        everything(connection)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "line", [b"GET /livez", b"GET /livez HTTP/0.9", b"GET /livez HTTP/2.0", b"GET /livez HTTP/1.2"]
)
def test_a_request_of_another_version_is_refused(line: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(line + b"\r\nHost: x\r\n\r\n" + LAST)
        assert statuses(everything(connection)) == [400]


def test_a_client_of_http_1_0_is_not_told_to_continue(photo: bytes) -> None:
    head = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Expect: 100-continue\r\n"
    with running() as port, connect(port) as connection:
        connection.sendall(head + with_length(photo))
        assert statuses(everything(connection)) == [200]


def test_trailers_are_no_headers(photo: bytes) -> None:
    """A gateway judges headers; what comes after the body must not change them."""
    body = in_chunks(photo).replace(b"X-Trailer: a", b"Content-Type: text/plain\r\nX-Request-Id: trailer")
    with running() as port, connect(port) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + body)
        said = until(connection, b"}")
    assert statuses(said) == [200]
    assert b"x-request-id: trailer" not in said


@pytest.mark.parametrize("way", [["--data-binary", "@{}", "-H", "Content-Type: image/jpeg"], ["-F", "photo=@{}"]])
def test_curl_that_offers_http_2_gets_its_answer(photo: bytes, tmp_path: Path, way: list[str]) -> None:
    curl = shutil.which("curl") or pytest.skip("curl is not installed")
    if b"HTTP2" not in subprocess.run([curl, "--version"], check=True, capture_output=True).stdout:
        pytest.skip("curl without HTTP/2 is installed")
    (tmp_path / "pet.jpg").write_bytes(photo)
    options = [option.format(tmp_path / "pet.jpg") for option in way]
    with running() as port:
        url = f"http://127.0.0.1:{port}/predict"
        ended = subprocess.run(
            [curl, "-sS", "--noproxy", "*", "--http2", *options, url], check=True, capture_output=True
        )
    assert b'"label"' in ended.stdout


JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;

public class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 2; i++) {
            var request = HttpRequest.newBuilder(URI.create(given[0]))
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(given[1]))).build();
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


@pytest.mark.proof
def test_a_java_client_with_its_defaults_gets_its_answer(photo: bytes, tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("no JDK is installed")
    (tmp_path / "pet.jpg").write_bytes(photo)
    (tmp_path / "Ask.java").write_text(JAVA)
    with running() as port:
        command = [java, str(tmp_path / "Ask.java"), f"http://127.0.0.1:{port}/predict", str(tmp_path / "pet.jpg")]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    lines = ended.stdout.splitlines()
    assert [line[:4] for line in lines] == ["200 ", "200 "]
    assert all('"label"' in line for line in lines)

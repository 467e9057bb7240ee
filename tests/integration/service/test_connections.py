"""Tests of connection limits: header and request floods, slow clients, and number of connections."""

import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from tests.support.fault_table import FaultTable
from tests.support.served import Answer, Served, everything, head_of, one_answer, serving
from tests.support.waiting import wait_until

proof = pytest.mark.proof
HOST = b"Host: x\r\n"
POST = b"POST /predict HTTP/1.1\r\n" + HOST
MB = b"a" * 1_000_000


@pytest.fixture(scope="module")
def hasty(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with short timeouts, so that the tests are fast."""
    limits = dict.fromkeys(("HEADER_TIMEOUT_S", "BODY_TIMEOUT_S", "IDLE_TIMEOUT_S"), "1")
    log = tmp_path_factory.getbasetemp() / "hasty.log"
    with serving(bundle.folder, log, given={f"PETMOOD_{name}": value for name, value in limits.items()}) as served:
        yield served


def flood(served: Served, begin: bytes, piece: bytes, *, most_bytes: int = 200_000_000) -> tuple[int, bytes]:
    """Send chunks until the server closes; return the number of bytes sent and the response."""
    sent, said = 0, b""
    with served.connect() as connection:
        connection.sendall(begin)
        try:
            while sent < most_bytes:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        said = everything(connection)
    return sent, said


@proof
def test_a_chunked_body_without_an_end_is_cut(service: Served) -> None:
    sent, said = flood(service, POST + b"Transfer-Encoding: chunked\r\n\r\n", b"f4240\r\n" + MB + b"\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert sent < 199_000_000


# --- headers, trailers and requests without end -----------------------------------------------------------------------

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "an address": (b"GET /", MB),
    "one header": (b"GET / HTTP/1.1\r\nX: ", MB),
    "headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 100_000),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 100_000),
    "one trailer": (CHUNKED + b"0\r\nX: ", MB),
    "a chunk's extension": (CHUNKED + b"5;", MB),
    "chunks of a byte": (CHUNKED, b"1\r\na\r\n" * 100_000),
    "requests in a row": (b"", b"GET /model HTTP/1.1\r\n\r\n" * 50_000),
    "headers behind a request": (POST + b"Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nX: ", MB),
    "empty lines": (b"", b"\r\n" * 500_000),
}


@proof
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_cut_before_it_fills_the_memory(service: Served, table: FaultTable, good: bytes, name: str) -> None:
    """Trailers alone took 1.3 GB in three seconds, and requests in a row 0.4 GB."""
    before_mb = service.memory_mb()
    service.forget_peak()
    sent, said = flood(service, *FLOODS[name], most_bytes=100_000_000)
    growth_mb = service.memory_mb(peak=True) - before_mb
    table.add(11, f"{name} without end", said[9:12].decode() or "cut", below_mb=30)
    assert sent < 99_000_000
    assert growth_mb < 30
    assert service.predict(good).status == 200


# --- 12 slow clients -------------------------------------------------------------------------------------------------

DAWDLERS = {
    "headers": (b"GET /livez HTTP/1.1\r\nX: ", b"a"),
    "a body": (POST + b"Content-Length: 60000\r\n\r\n", b"a"),
    "a chunked body": (CHUNKED, b"1\r\na\r\n"),
    "a trailer": (CHUNKED + b"0\r\nX: ", b"a"),
    "a chunk's extension": (CHUNKED + b"5;", b"a"),
    "empty lines": (b"\r\n", b"\r\n"),
    "a body that nobody reads": (b"GET /livez HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", b"a"),
    "a body to nowhere": (b"POST /nowhere HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", b"a"),
    "a refused body": (POST + b"Content-Type: text/plain\r\nContent-Length: 60000\r\n\r\n", b"a"),
    "a second request": (b"GET /livez HTTP/1.1\r\n\r\nGET /livez HTTP/1.1\r\nX: ", b"a"),
    "nothing": (b"", b""),
    "nothing after an answer": (b"GET /livez HTTP/1.1\r\n\r\n", b""),
    "nothing after a late body": (b"GET /livez HTTP/1.1\r\nContent-Length: 2\r\n\r\na", b""),
}


@proof
def test_every_way_to_dawdle_has_a_deadline(hasty: Served) -> None:
    """All at once, each sends a byte every 0.1 s with a timeout of 1 s; all are closed within 60 s, typically 3 s."""
    open_ones: dict[str, socket.socket] = {}
    for name, (begin, _) in DAWDLERS.items():
        open_ones[name] = hasty.connect()
        open_ones[name].sendall(begin)

    def all_are_closed() -> bool:
        for name, connection in list(open_ones.items()):
            connection.setblocking(False)
            try:
                connection.send(DAWDLERS[name][1])
                closed = connection.recv(65_536) == b""
            except BlockingIOError:
                closed = False
            except OSError:
                closed = True
            if closed:
                open_ones.pop(name).close()
        return not open_ones

    try:
        wait_until(all_are_closed, within_s=60, every_s=0.1)
    except TimeoutError:
        raise AssertionError(f"still open: {list(open_ones)}") from None


@proof
def test_a_closed_connections_last_body_may_come_late(service: Served, good: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
        assert one_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"ab")
        connection.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(good) + good)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def peers_of(served: Served) -> set[int]:
    """Return the ports of the clients that the service holds connections to.

    A closed connection has no inode, while the system still offers its last bytes to a client that doesn't read.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    ends = [[int(end.rpartition(":")[2], 16) for end in row[1:3]] for row in rows if row[9] != "0"]
    return {peer for own, peer in ends if own == served.port}


@proof
def test_who_asks_and_never_listens_is_cut(hasty: Served, good: bytes) -> None:
    """Their responses fill every buffer; plain uvicorn would keep each connection and request forever."""
    silent = []
    for _ in range(8):
        connection = hasty.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        silent.append(connection)
    ports = {connection.getsockname()[1] for connection in silent}
    wait_until(lambda: ports <= peers_of(hasty), what="eight accepted connections")

    def all_are_cut() -> bool:
        for connection in silent:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
        return not ports & peers_of(hasty)

    wait_until(all_are_cut, every_s=0.05, what="an end of the silent connections")
    for connection in silent:
        connection.close()
    wait_until(lambda: hasty.count("petmood_requests_in_flight") == 1, what="this question alone in flight")
    wait_until(lambda: hasty.predict(good).status == 200, what="an answer; a slow machine may meet the short deadlines")


@proof
def test_who_goes_away_in_the_middle_leaves_nothing_behind(service: Served, good: bytes) -> None:
    for data in (POST + b"Content-Length: 1000\r\n\r\nabc", POST + b"Content-Length: %d\r\n\r\n" % len(good) + good):
        for end in (socket.SHUT_WR, socket.SHUT_RDWR):
            with service.connect() as connection:
                connection.sendall(data)
                connection.shutdown(end)
                if end == socket.SHUT_WR:
                    everything(connection)
    wait_until(lambda: service.count("petmood_requests_in_flight") == 1, what="this question alone in flight")
    assert service.predict(good).status == 200


@proof
def test_more_connections_than_descriptors_are_survived(bundle: Bundle, good: bytes, log: Path) -> None:
    with serving(bundle.folder, log, prefix=["prlimit", "--nofile=96"]) as served:
        crowd = []
        for _ in range(300):
            try:
                crowd.append(served.connect())
            except OSError:
                break
        for connection in crowd:
            connection.close()

        def answer() -> Answer | None:
            try:
                return served.predict(good)
            except (OSError, http.client.HTTPException):
                return None

        found = wait_until(answer)
        assert found is not None
        assert found.status == 200


@proof
def test_one_connection_too_many_is_reported_so(bundle: Bundle, log: Path) -> None:
    with serving(bundle.folder, log, PETMOOD_CONNECTIONS="20") as served:
        crowd = [served.connect() for _ in range(20)]
        with served.connect() as late:
            said = everything(late)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert "retry-after: 1" in head_of(said)
        for connection in crowd:
            connection.close()
        wait_until(lambda: served.ask("/livez").status == 200, what="room again; their ends are heard one by one")

"""Tests of the connection, header and timeout limits with slow clients on loopback."""

import asyncio
import re

import pytest

from petmood.serving.middleware import observability as observe
from petmood.serving.protocol import HEADER_BYTES, PIPELINED
from tests.support.clocks import Hours, played
from tests.support.wire import Wire, body_of, connect, everything, running, until, wired

CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_GET = GET[:-2] + b"Connection: close\r\n\r\n"


def test_headers_that_trickle_in_are_refused_and_the_connection_closed() -> None:
    async def scene(loop: Hours) -> Wire:
        protocol, wire = wired()
        protocol.data_received(b"GET /live")
        await loop.pass_by(9)
        protocol.data_received(b"z HT")
        assert not wire.closing
        await loop.pass_by(2)
        return wire

    wire = played(scene)
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert body_of(wire.written)["code"] == "request_timeout"
    assert wire.closing


def test_a_connection_that_is_never_used_is_closed_without_a_word() -> None:
    with running(header_timeout_s=0.3) as port, connect(port) as silent:
        assert everything(silent) == b""


def test_the_deadline_holds_for_the_second_request_of_a_connection_too() -> None:
    async def scene(loop: Hours) -> bytes:
        protocol, wire = wired()
        protocol.data_received(GET)
        await asyncio.gather(*protocol.tasks)
        protocol.data_received(b"GET /li")
        await loop.pass_by(11)
        return wire.written

    assert re.findall(rb"HTTP/1\.1 (\d+)", played(scene)) == [b"200", b"408"]


def test_a_quick_sender_may_ask_many_times() -> None:
    async def scene(loop: Hours) -> tuple[int, bool]:
        protocol, wire = wired()
        for _ in range(4):
            protocol.data_received(GET)
            await asyncio.gather(*protocol.tasks)
            await loop.pass_by(9)
        return wire.written.count(b"HTTP/1.1 200 "), wire.closing

    assert played(scene) == (4, False)


def test_requests_sent_in_one_go_are_all_answered() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(GET * 3 + LAST_GET)
        assert everything(connection).count(b"HTTP/1.1 200 ") == 4


def test_endless_headers_are_refused() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        response = b""
        try:
            for _ in range(2 * HEADER_BYTES // 1000):
                connection.sendall(b"x-filler: " + b"y" * 990 + b"\r\n")
            response = everything(connection)
        except OSError:  # closed while sending: rejected as expected
            return
        assert response.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_form_of_every_refusal(sent: bytes) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(sent)
        response = everything(connection)
        assert response.startswith(b"HTTP/1.1 400 ")
        assert set(body_of(response)) == {"code", "message", "request_id"}


POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"0" * 5000 + b"4", 415),
        (b"0" * 5000, 400),
        (b"00000000000000000000004", 415),
        (b" 4 ", 415),
        (b"1000000000000000000", 413),
        (b"9223372036854775808", 413),
        (b"1" + b"0" * 30, 400),
        (b"9" * 5000, 400),
        (b"+4", 400),
        (b"-4", 400),
        (b"0x4", 400),
        (b"4.0", 400),
        (b"4 4", 400),
        (b"4, 4", 400),
        (b"4\r\nContent-Length: 4", 400),
        (b"\xb2", 400),
        (b"", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_way_to_write_a_length_is_read_or_refused(
    length: bytes, status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "CLOSE_WAIT_S", 0.01)
    with running() as port, connect(port) as connection:
        connection.sendall(POST + b"Connection: close\r\nContent-Length: " + length + b"\r\n\r\nwhat")
        said = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"%d" % status]
    assert set(body_of(said)) == {"code", "message", "request_id"}
    assert "Traceback" not in caplog.text


def test_one_connection_too_many_is_closed_and_the_others_go_on() -> None:
    with running(connections=2) as port, connect(port) as first, connect(port) as second:
        for connection in (first, second):
            connection.sendall(GET)
            assert until(connection, b"}").startswith(b"HTTP/1.1 200 ")
        with connect(port) as third:
            assert everything(third).startswith(b"HTTP/1.1 503 ")
        first.sendall(GET)
        assert until(first, b"}").startswith(b"HTTP/1.1 200 ")


def test_at_the_end_a_stalled_upload_is_reported_and_cut() -> None:
    with running(drain_s=0.4) as port:
        stalled = connect(port)
        stalled.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\nhalf"
        )
        with connect(port) as watcher:
            found = b""
            while b"petmood_requests_in_flight 2.0" not in found:  # the upload and this request
                watcher.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                found = until(watcher, b"petmood_requests_in_flight")
                found += until(watcher, b"\n") if not found.endswith(b"\n") else b""
    with stalled:
        response = everything(stalled)
    assert response.startswith(b"HTTP/1.1 503 ")
    assert body_of(response)["code"] == "shutting_down"


def test_a_crowd_of_requests_before_the_first_answer_is_refused() -> None:
    with running() as port:
        with connect(port) as connection:
            connection.sendall(GET * (PIPELINED + 1))
            response = until(connection, b"HTTP/1.1 200 ")
            while response.count(b"HTTP/1.1 200 ") <= PIPELINED:
                response += connection.recv(65_536)
        with connect(port) as connection:
            connection.sendall(GET * (PIPELINED + 2))
            response = everything(connection)
            assert response.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in response
            assert body_of(response)["code"] == "overloaded"


def test_refusals_of_connections_are_counted_too() -> None:
    with running() as port:
        with connect(port) as connection:
            connection.sendall(b"rubbish\r\n\r\n")
            everything(connection)
        with connect(port) as connection:
            connection.sendall(LAST_GET.replace(b"/livez", b"/metrics"))
            assert b'petmood_errors_total{code="bad_request"} 1.0' in everything(connection)


def test_the_framing_of_chunks_may_not_outweigh_what_they_hold() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(CHUNKED)
        try:
            for _ in range(40):
                connection.sendall(b"1\r\nx\r\n" * 1000)
            response = everything(connection)
        except OSError:  # closed while sending: rejected as expected
            return
        assert response.startswith(b"HTTP/1.1 431 ")


def test_endless_trailers_are_refused() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(CHUNKED + b"1\r\nx\r\n0\r\n")
        try:
            for _ in range(2 * HEADER_BYTES // 1000):
                connection.sendall(b"x-trailer: " + b"y" * 989 + b"\r\n")
            response = everything(connection)
        except OSError:  # closed while sending: rejected as expected
            return
        assert response.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(("size", "chunks"), [(1000, 500), (16, 15_000)])
def test_a_large_body_in_chunks_is_no_header(size: int, chunks: int) -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(CHUNKED + (b"%x\r\n" % size + b"x" * size + b"\r\n") * chunks + b"0\r\n\r\n")
        response = until(connection, b"}")
        assert response.startswith(b"HTTP/1.1 415 ")
        assert body_of(response)["code"] == "unsupported_format"


def test_a_body_that_ends_long_after_its_refusal_leaves_the_connection_usable() -> None:
    async def scene(loop: Hours) -> bytes:
        protocol, wire = wired()
        protocol.data_received(TEXT + b"half")
        await loop.pass_by(0)
        await loop.pass_by(2)  # longer than the linger time after a rejection
        await asyncio.gather(*protocol.tasks)
        protocol.data_received(b" later" + GET)
        await asyncio.gather(*protocol.tasks)
        return wire.written

    assert re.findall(rb"HTTP/1\.1 (\d+)", played(scene)) == [b"415", b"200"]


def test_a_body_that_never_ends_after_its_refusal_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "CLOSE_WAIT_S", 0.05)
    with running(header_timeout_s=0.2, idle_timeout_s=60) as port, connect(port) as connection:
        connection.sendall(TEXT + b"half")
        assert everything(connection).count(b"HTTP/1.1 ") == 1


def test_whoever_asks_for_leave_to_send_gets_it_or_a_refusal() -> None:
    asking = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
    with running() as port, connect(port) as connection:
        connection.sendall(asking + b"\r\n")
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"what")
        assert until(connection, b"}").startswith(b"HTTP/1.1 415 ")
        connection.sendall(asking + b"Content-Type: text/plain\r\n\r\n")
        refusal = until(connection, b"}")
        assert b"unsupported_media_type" in refusal
        assert b"connection: close\r\n" in refusal


def test_a_wish_for_another_protocol_is_answered_in_this_one() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert until(connection, b"}").startswith(b"HTTP/1.1 200 ")


def test_a_reader_who_takes_nothing_is_cut_and_a_slow_one_is_not() -> None:
    async def scene(loop: Hours) -> list[bool]:
        (stuck, stuck_wire), (slow, slow_wire) = wired(), wired()
        for protocol in (stuck, slow):
            protocol.data_received(GET)
            await asyncio.gather(*protocol.tasks)
            protocol.pause_writing()
        await loop.pass_by(9)
        slow.resume_writing()
        slow.resume_writing()
        stuck.pause_writing()  # the timeout started with the first call
        slow.pause_writing()
        await loop.pass_by(2)
        return [stuck_wire.aborted, slow_wire.aborted]

    assert played(scene) == [True, False]


def test_a_connection_that_was_closed_is_cut_when_its_other_side_does_not_notice() -> None:
    async def scene(loop: Hours) -> list[bool]:
        (silent, silent_transport), (active, active_transport) = wired(), wired()
        for protocol in (silent, active):
            protocol.timeout_keep_alive_handler()
            protocol.timeout_keep_alive_handler()  # closing twice is closing once
        active.connection_lost(None)
        await loop.pass_by(11)
        return [silent_transport.aborted, active_transport.aborted]

    assert played(scene) == [True, False]


def test_a_closed_connection_is_cut_even_when_its_other_side_takes_a_part_of_what_was_written() -> None:
    async def scene(loop: Hours) -> list[bool]:
        protocol, wire = wired()
        protocol.pause_writing()
        protocol.timeout_keep_alive_handler()
        await loop.pass_by(9)
        protocol.resume_writing()
        found = []
        for _ in range(2):
            await loop.pass_by(9)
            found.append(wire.aborted)
        return found

    assert played(scene) == [False, True]


def test_an_answer_that_ends_a_connection_is_waited_for_no_longer_than_headers() -> None:
    async def scene(loop: Hours) -> Wire:
        protocol, wire = wired()
        protocol.data_received(LAST_GET)
        await asyncio.gather(*protocol.tasks)
        assert (wire.closing, wire.aborted) == (True, False)
        await loop.pass_by(11)
        return wire

    wire = played(scene)
    assert wire.written.startswith(b"HTTP/1.1 200 ")
    assert wire.aborted


def test_after_a_refusal_nothing_more_is_said() -> None:
    async def scene(_: Hours) -> bytes:
        protocol, wire = wired()
        protocol.data_received(b"rubbish\r\n\r\n")
        said = wire.written
        protocol.data_received(b"rubbish\r\n\r\n")
        assert wire.written == said
        return said

    assert played(scene).startswith(b"HTTP/1.1 400 ")


def test_an_idle_connection_is_closed_and_a_body_that_trickles_after_its_refusal_too() -> None:
    async def scene(loop: Hours) -> list[bool]:
        (idle, idle_wire), (trickle, trickle_wire) = wired(), wired()
        idle.data_received(GET)
        trickle.data_received(TEXT)
        await loop.pass_by(0)
        await loop.pass_by(2)  # longer than the linger time after a rejection
        await asyncio.gather(*idle.tasks, *trickle.tasks)
        found = []
        for _ in range(2):
            trickle.data_received(b"x")
            await loop.pass_by(6)
            found.append(trickle_wire.closing)
        found.append(idle_wire.closing)
        await loop.pass_by(6)
        return [*found, idle_wire.closing]

    assert played(scene) == [False, True, False, True]


def test_after_a_body_that_ended_late_the_next_request_has_its_deadline_too() -> None:
    async def scene(loop: Hours) -> bytes:
        protocol, wire = wired()
        protocol.data_received(TEXT)
        await loop.pass_by(0)
        await loop.pass_by(2)
        await asyncio.gather(*protocol.tasks)
        protocol.data_received(b"0123456789")
        await loop.pass_by(9)
        protocol.data_received(b"GET /li")
        await loop.pass_by(11)
        return wire.written

    assert re.findall(rb"HTTP/1\.1 (\d+)", played(scene)) == [b"415", b"408"]

"""Tests of the limits on open connections: of all, of one address, and the reserve for health probes."""

import http.client
import re
import socket
from contextlib import ExitStack

import pytest

from petmood.serving.addresses import TrustedProxies
from petmood.serving.connections import PROBES, PROBES_EACH, Admission, ConnectionTable
from tests.support.waiting import wait_until
from tests.support.wire import body_of, connect, everything, running, until

LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
MODEL = b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n"
OTHER = "127.0.0.2"
"""Another address of this machine: all of 127.0.0.0/8 is loopback on Linux."""


def table(most: int = 20, per_address: int = 5, proxies: str = "10.0.0.1") -> ConnectionTable:
    """Return an empty table."""
    return ConnectionTable(most, per_address, TrustedProxies.parse(proxies))


def admitted(found: ConnectionTable, address: str | None, count: int) -> list[Admission]:
    """Admit new connections of an address."""
    return [found.admit(object(), address) for _ in range(count)]


def test_an_address_may_hold_some_connections_and_others_are_let_in() -> None:
    found = table()
    assert admitted(found, "10.1.1.1", 6) == [Admission.OPEN] * 5 + [Admission.PROBES_ONLY]
    assert admitted(found, "10.1.1.2", 5) == [Admission.OPEN] * 5


def test_addresses_of_one_network_count_together() -> None:
    found = table()
    addresses = [f"2001:db8:0:1::{number}" for number in range(1, 7)]
    kinds = [found.admit(address, address) for address in addresses]
    assert kinds == [Admission.OPEN] * 5 + [Admission.PROBES_ONLY]
    assert found.admit("x", "2001:db8:0:2::1") is Admission.OPEN
    assert admitted(found, "::ffff:10.1.1.1", 3) + admitted(found, "10.1.1.1", 3) == [Admission.OPEN] * 5 + [
        Admission.PROBES_ONLY
    ]


@pytest.mark.parametrize("proxy", ["10.0.0.1", None])
def test_a_proxy_may_hold_most_of_them_and_leaves_a_tenth(proxy: str | None) -> None:
    found = table()
    assert admitted(found, proxy, 18) == [Admission.OPEN] * 18
    assert admitted(found, proxy, 1) == [Admission.PROBES_ONLY]
    assert admitted(found, "10.1.1.1", 2) == [Admission.OPEN] * 2


def test_probes_of_others_are_admitted_when_all_is_taken() -> None:
    found = table(most=4, per_address=4)
    assert admitted(found, "10.1.1.1", 4) == [Admission.OPEN] * 4
    assert admitted(found, "10.1.1.1", PROBES_EACH + 1) == [Admission.PROBES_ONLY] * PROBES_EACH + [Admission.REFUSED]
    others = [found.admit(object(), f"10.1.2.{number}") for number in range(PROBES)]
    assert others == [Admission.PROBES_ONLY] * (PROBES - PROBES_EACH) + [Admission.REFUSED] * PROBES_EACH


def test_a_closed_connection_makes_room() -> None:
    found = table(most=1, per_address=1)
    assert [found.admit(name, "10.1.1.1") for name in "abcdef"] == [
        Admission.OPEN,
        *[Admission.PROBES_ONLY] * PROBES_EACH,
        Admission.REFUSED,
    ]
    for name in "abcdefa":
        found.release(name)
    assert found.admit("g", "10.1.1.2") is Admission.OPEN
    assert not found._probes


def connect_from(address: str, port: int) -> socket.socket:
    """Open a connection from an address of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=120, source_address=(address, 0))


def hold(stack: ExitStack, port: int, count: int, address: str) -> None:
    """Open connections, and keep them after one response each."""
    for _ in range(count):
        connection = stack.enter_context(connect_from(address, port))
        connection.sendall(LIVE)
        assert until(connection, b"}").startswith(b"HTTP/1.1 200 ")


def test_one_address_shuts_out_neither_others_nor_their_probes_nor_its_own() -> None:
    with running(connections=20, connections_per_address=10) as port, ExitStack() as stack:
        hold(stack, port, 10, OTHER)
        with connect_from(OTHER, port) as late:
            late.sendall(MODEL)
            said = everything(late)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in said
        assert "limit 20, 10 of one address" in body_of(said)["message"]
        for path in (b"/livez", b"/readyz", b"/livez?verbose"):
            with connect_from(OTHER, port) as probe:
                probe.sendall(LIVE.replace(b"/livez", path) * 2)
                said = everything(probe)
            assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"200"]
            assert b"connection: close\r\n" in said
        with connect_from("127.0.0.3", port) as other:
            other.sendall(MODEL)
            assert until(other, b"}").startswith(b"HTTP/1.1 200 ")


def test_a_reserved_connection_that_asks_for_nothing_is_soon_closed() -> None:
    with running(connections=1) as port, connect(port) as first:
        first.sendall(LIVE)
        until(first, b"}")
        with connect(port) as silent:
            assert everything(silent).startswith(b"HTTP/1.1 503 ")
        first.sendall(LIVE)
        assert until(first, b"}").startswith(b"HTTP/1.1 200 ")


@pytest.mark.proof
def test_a_thousand_idle_connections_of_one_address_leave_room() -> None:
    """The default limits: 1,000 in all, 900 of a trusted proxy, which this machine is, and 200 of another address."""
    with running() as port, ExitStack() as stack:
        hold(stack, port, 1000, "127.0.0.1")
        hold(stack, port, 100, OTHER)

        def ask(path: str, address: str) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120, source_address=(address, 0))
            stack.callback(connection.close)
            connection.request("GET", path)
            return connection.getresponse().status

        assert ask("/livez", "127.0.0.1") == ask("/readyz", OTHER) == 200
        assert ask("/model", "127.0.0.1") == 503
        stack.close()
        assert wait_until(lambda: ask("/model", "127.0.0.1") == 200)

"""Tests of listening sockets: free and taken ports, IPv6, and unknown hosts."""

import errno
import socket
from collections.abc import Sequence
from typing import Any, Final

import pytest

from petmood.core.errors import ConfigError
from petmood.core.listening import bind, bind_all, check_port, open_url, url_of


def test_a_free_port_is_found_and_a_taken_one_is_reported() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError) as refusal:
            bind("127.0.0.1", port)
    assert str(refusal.value) == (
        f"Can't listen on 127.0.0.1:{port} (Address already in use). Choose another port with --port."
    )


def test_an_address_of_ip_version_6_is_bound_as_one() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = bind("::1", 0)
    except ConfigError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert listener.family == socket.AF_INET6


def test_an_unknown_host_is_reported_by_its_name() -> None:
    with pytest.raises(
        ConfigError, match=r"Can't listen on no\.such\.host\.invalid:0 \(.+\)\. Choose another --port or --host\.$"
    ):
        bind("no.such.host.invalid", 0)


def test_a_checked_port_is_free_again() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match="Address already in use"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
    bind("127.0.0.1", port).close()


def has_ipv6() -> bool:
    """Return whether this machine has IPv6 loopback."""
    try:
        bind("::1", 0).close()
    except ConfigError:
        return False
    return True


def reached(address: tuple[str, int], listeners: Sequence[socket.socket]) -> str:
    """Connect to an address, and return the client's address as the listener of its family sees it."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    (listener,) = [one for one in listeners if one.family == family]
    with socket.create_connection(address, timeout=60):
        connection, client = listener.accept()
        connection.close()
    return str(client[0])


def test_every_address_is_ipv6_and_ipv4_at_one_port() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    for host in ("::", "[::]"):
        listeners = bind_all([host], 0)
        try:
            (port,) = {listener.getsockname()[1] for listener in listeners}
            assert reached(("127.0.0.1", port), listeners) == "127.0.0.1"
            assert reached(("::1", port), listeners) == "::1"
        finally:
            for listener in listeners:
                listener.close()


def test_several_hosts_share_a_port_and_a_host_that_is_given_twice_is_bound_once() -> None:
    listeners = bind_all(["127.0.0.1", "127.0.0.2", "127.0.0.1"], 0)
    names = [listener.getsockname() for listener in listeners]
    for listener in listeners:
        listener.close()
    assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({name[1] for name in names}) == 1


def test_when_one_host_of_several_cannot_be_bound_none_is() -> None:
    with bind("127.0.0.2", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Can't listen on 127\.0\.0\.2:{port} \(Address already in use\)"):
            bind_all(["127.0.0.1", "127.0.0.2"], port)
        bind("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_is_printed_in_brackets(host: str) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^Can't listen on \[::1\]:{port} \(Address already in use\)\."):
            bind(host, port)


def test_a_privileged_port_is_one_line_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> socket.socket:  # noqa: ANN401 - any arguments
        raise PermissionError(errno.EACCES, "Permission denied (while attempting to bind on address ('127.0.0.1', 80))")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(ConfigError) as refusal:
        bind("127.0.0.1", 80)
    expected = "Can't listen on 127.0.0.1:80 (Permission denied). Choose a port of 1024 or more with --port."
    assert str(refusal.value) == expected


@pytest.mark.parametrize(
    "host", ["a" * 70, "a..b", "127.0.0.1:80", "http://a", "::1::", "fe80::1%nolink", "\u2603..", "X127.0.0.1"]
)
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(ConfigError, match=r"^Can't listen on .+ \(.+\)\. Choose another --port or --host\.$"):
        bind(host, 0)


@pytest.mark.parametrize(
    ("host", "shown", "opened"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://0.0.0.0:80", "http://127.0.0.1:80"),  # noqa: S104 - a name
        ("::", "http://[::]:80", "http://127.0.0.1:80"),
        ("[::]", "http://[::]:80", "http://127.0.0.1:80"),
        ("0:0::0", "http://[0:0::0]:80", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80", "http://[::1]:80"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:80", "http://[fe80::1%eth0]:80"),
        ("pets.example", "http://pets.example:80", "http://pets.example:80"),
        ("X.example", "http://X.example:80", "http://X.example:80"),
        ("X::", "http://[X::]:80", "http://[X::]:80"),
    ],
)
def test_addresses_are_shown_as_urls(host: str, shown: str, opened: str) -> None:
    assert (url_of(host, 80), open_url(host, 80)) == (shown, opened)


IPV4: Final = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
IPV6: Final = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))


@pytest.mark.parametrize(("found", "chosen"), [([IPV6, IPV4], IPV4), ([IPV4, IPV6], IPV4), ([IPV6], IPV6)])
def test_a_name_is_bound_by_its_ipv4_address_if_it_has_one(
    found: list[tuple[Any, ...]], chosen: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    created = list[tuple[object, ...]]()

    def create(address: object, **options: object) -> str:
        created.append((address, options))
        return "a socket"

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_server", create)
    assert bind("localhost", 0) == "a socket"  # type: ignore[comparison-overlap] # stands for one
    assert created == [(chosen[4], {"family": chosen[0], "backlog": 2048})]


def test_an_address_in_brackets_is_bound_at_the_port_that_was_asked_for() -> None:
    with bind("[127.0.0.1]", 0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
    with bind("127.0.0.1", port) as listener:
        assert listener.getsockname() == ("127.0.0.1", port)


def test_a_host_that_has_no_encoding_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnicodeError("label too long")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ConfigError) as refusal:
        bind("pets.example", 80)
    assert str(refusal.value) == "Can't listen on pets.example:80 (label too long). Choose another --port or --host."


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the hosts that are bound from now on; for each "refused" in the list 127.0.0.2 is refused once."""
    hosts, create = list[str](), socket.create_server

    def noted(address: tuple[str, int], **options: Any) -> socket.socket:  # noqa: ANN401 - create_server's own
        hosts.append(address[0])
        if address[0] == "127.0.0.2" and hosts.count("127.0.0.2") <= hosts.count("refused"):
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", noted)
    return hosts


def test_a_port_that_is_free_at_the_first_host_alone_is_given_up_for_another(bound: list[str]) -> None:
    bound += ["refused"] * 3
    listeners = bind_all(["127.0.0.1", "127.0.0.2"], 0)
    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        listener.close()
    assert bound[3:] == ["127.0.0.1", "127.0.0.2"] * 4


def test_after_20_ports_and_at_a_port_that_was_asked_for_the_refusal_is_final(bound: list[str]) -> None:
    bound += ["refused"] * 99
    with pytest.raises(ConfigError, match="Address already in use"):
        bind_all(["127.0.0.1", "127.0.0.2"], 0)
    assert bound[99:] == ["127.0.0.1", "127.0.0.2"] * 20
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    del bound[99:]
    with pytest.raises(ConfigError, match="Address already in use"):
        bind_all(["127.0.0.1", "127.0.0.2"], port)
    assert bound[99:] == ["127.0.0.1", "127.0.0.2"]


def test_all_ipv6_addresses_are_all_ipv4_addresses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[tuple[str, int]]()

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        found.append((host, port))
        return [IPV4]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    listeners = bind_all(["::", "0.0.0.0"], 0)  # noqa: S104 - one of this machine is bound
    port = listeners[0].getsockname()[1]
    for listener in listeners:
        listener.close()
    assert found == [("::", 0), ("0.0.0.0", port)]  # noqa: S104 - names of addresses

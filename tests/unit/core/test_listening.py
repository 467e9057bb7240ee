"""Tests of listening sockets: free and taken ports, IPv6, and unknown hosts."""

import socket

import pytest

from petmood.core.errors import ConfigError
from petmood.core.listening import bind, check_port


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

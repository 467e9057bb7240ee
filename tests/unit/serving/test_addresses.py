"""Tests of client addresses: forwarded ones are read as addresses from trusted proxies alone."""

import pytest

from petmood.serving.addresses import UNKNOWN, TrustedProxies, client_group


def client(*forwarded: str, peer: str | None = "127.0.0.1", trusted: str = "127.0.0.1", hops: int = 1) -> str:
    """Return the client's address of a request."""
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope = {"client": None if peer is None else (peer, 1), "headers": headers}
    return TrustedProxies.parse(trusted, hops=hops).client_of(scope)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1 ", "10.0.0.1"),
        ("10.0.0.1:4711", "10.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_every_way_to_write_an_address_is_read(forwarded: str, expected: str) -> None:
    assert client(forwarded) == expected


@pytest.mark.parametrize(
    "forwarded",
    [
        "",
        "rubbish",
        "unknown",
        "_hidden",
        "10.0.0.256",
        "10.0.0.1 x",
        "127.1",
        "010.0.0.1",
        "[::1",
        "x" * 60_000,
        "\xb2",
        "for=10.0.0.1",
        "rubbish, 127.0.0.1",
        ",",
    ],
)
def test_text_that_is_no_address_leaves_the_peer(forwarded: str) -> None:
    assert client(forwarded) == "127.0.0.1"


def test_only_trusted_peers_are_believed() -> None:
    assert client("10.0.0.1", peer="10.9.9.9") == "10.9.9.9"
    assert client("10.0.0.1", peer="10.9.9.9", trusted="10.9.0.0/16") == "10.0.0.1"
    assert client("10.0.0.1", peer="::ffff:127.0.0.1") == "10.0.0.1"
    assert client("10.0.0.1", trusted="none") == "127.0.0.1"
    assert client("10.0.0.1", peer=None) == "10.0.0.1", "a proxy on a Unix socket"
    assert client(peer=None) == UNKNOWN


def test_the_address_before_the_last_proxy_counts_and_none_that_a_client_wrote() -> None:
    assert client("6.6.6.6, 10.0.0.1") == "10.0.0.1"
    assert client("6.6.6.6", "10.0.0.1") == "10.0.0.1", "a header that is repeated is one list"
    assert client("6.6.6.6, 10.0.0.1, 192.168.0.7", trusted="127.0.0.1, 192.168.0.0/24") == "10.0.0.1"
    assert client("192.168.0.8, 192.168.0.7", trusted="127.0.0.1, 192.168.0.0/24") == "192.168.0.8"


@pytest.mark.parametrize(
    ("hops", "expected"), [(1, "10.0.0.3"), (2, "10.0.0.2"), (3, "10.0.0.1"), (4, "6.6.6.6"), (9, "6.6.6.6")]
)
def test_where_every_peer_is_trusted_a_number_of_proxies_is(hops: int, expected: str) -> None:
    assert client("6.6.6.6, 10.0.0.1, 10.0.0.2, 10.0.0.3", trusted="*", hops=hops) == expected


def test_no_more_than_the_end_of_a_long_list_is_read() -> None:
    assert client("10.0.0.1, " + "127.0.0.1, " * 5000 + "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("x" * 50_000, UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_an_ipv6_client_is_its_network(address: str | None, group: str) -> None:
    assert client_group(address) == group


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "proxy.example", "10.0.0.1 10.0.0.2"])
def test_a_proxy_is_named_by_its_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        TrustedProxies.parse(text)

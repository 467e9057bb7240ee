"""Tests of what counts as this machine, and of the proxies that libraries are told to leave out for it."""

import socket
import urllib.request

import pytest
import requests.utils

from petmood.core.loopback import bypass_proxies, is_loopback, is_this_machine


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10", "127.1", "localhost", "LOCALHOST", "localhost.", "a.localhost", "::1",
     "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::1%lo", "::1%lo%1", "0x7f.1"],
)  # fmt: skip
def test_loopback_in_any_notation_is_told(host: str) -> None:
    assert is_loopback(host)
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host",
    ["", "128.0.0.1", "10.0.0.1", "pets.example", "localhost.example", "notlocalhost", "127.example", "::2",
     "fe80::1%lo", "::ffff:10.0.0.1", "x127.0.0.1", "\u0661\u0662\u0667.0.0.1", "a" * 300, ".127.0.0.1",
     "localhostx", "localhost.x", "1.127", "::1x", "127.999.1", "1.2.3.4.5",
     "127.0.0.1 x", "127.1\tx", "127.0.0.1\0", "127.1 ",
     "caf\udce9"],
)  # fmt: skip
def test_anything_else_is_not(host: str) -> None:
    assert not is_loopback(host)
    assert not is_this_machine(host)


def test_the_name_of_the_machine_and_all_addresses_are_this_machine_but_not_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Workstation")
    for host in ("workstation", "WORKSTATION.", "0.0.0.0", "::"):  # noqa: S104 - as a client writes it
        assert is_this_machine(host)
        assert not is_loopback(host)
    for host in (".workstation", "workstationx", "xworkstation"):
        assert not is_this_machine(host)


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "http_proxy", "https_proxy"])
@pytest.mark.parametrize(
    ("known", "first"), [({}, []), ({"NO_PROXY": "a.example, b"}, ["a.example", "b"]), ({"no_proxy": "c"}, ["c"])]
)
def test_this_machine_is_added_to_what_needs_no_proxy(name: str, known: dict[str, str], first: list[str]) -> None:
    environment = {name: "socks5://proxy.example", **known}
    bypass_proxies(environment)
    bypass_proxies(environment)
    expected = ",".join([*first, "localhost", "127.0.0.1", "::1", socket.gethostname()])
    assert (environment["NO_PROXY"], environment["no_proxy"]) == (expected, expected)


def test_nothing_is_added_without_a_proxy_or_where_none_is_used_anyway() -> None:
    environment: dict[str, str] = {"HTTP_PROXY": ""}
    bypass_proxies(environment)
    assert environment == {"HTTP_PROXY": ""}
    environment = {"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "*"}
    bypass_proxies(environment)
    assert environment == {"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "*", "no_proxy": "*"}
    environment = {"HTTPS_PROXY": "http://proxy.example", "no_proxy": "a, ,::1", "NO_PROXY": "not read"}
    bypass_proxies(environment)
    expected = f"a,::1,localhost,127.0.0.1,{socket.gethostname()}"
    assert (environment["no_proxy"], environment["NO_PROXY"]) == (expected, expected)


def test_requests_and_urllib_go_to_this_machine_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "x")
    monkeypatch.setenv("no_proxy", "x")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    bypass_proxies()
    for url in ("http://127.0.0.1:5000/a", "http://localhost:5000", "http://[::1]:5000/a"):
        assert requests.utils.should_bypass_proxies(url, no_proxy=None)
    assert not requests.utils.should_bypass_proxies("http://pets.example", no_proxy=None)
    assert urllib.request.proxy_bypass("127.0.0.1:5000")

"""Tests of address and token of a service, and of the errors of the way to it."""

import sys
from pathlib import Path

import httpx
import pytest

from petmood.client.async_client import AsyncClient
from petmood.client.client import Client
from petmood.client.endpoint import Endpoint
from petmood.core.errors import (
    ConfigError,
    MissingDependency,
    PetmoodError,
    ServiceError,
    ServiceTimeout,
    ServiceUnreachable,
)

HERE = Endpoint("http://127.0.0.1:8000", None, 30, 0)


def test_a_token_is_a_header_and_none_is_no_header() -> None:
    assert HERE.headers == {}
    assert Endpoint("http://a", "word", 1, 0).headers == {"authorization": "Bearer word"}


@pytest.mark.parametrize("token", ["word\n", "w\u00f6rd", " ", ""])
def test_a_token_that_no_header_can_hold_is_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII") as caught:
        Endpoint("http://a", token, 1, 0)
    assert not token.strip() or token.strip() not in str(caught.value)


@pytest.mark.parametrize(("timeout_s", "retries"), [(0, 0), (-1, 0), (float("nan"), 0), (1, -1)])
def test_limits_that_make_no_sense_are_refused(timeout_s: float, retries: int) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        Endpoint("http://a", None, timeout_s, retries)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout("slow"), ServiceTimeout),
        (httpx.ReadTimeout("slow"), ServiceTimeout),
        (httpx.ConnectError("Connection refused"), ServiceUnreachable),
        (httpx.RemoteProtocolError("Server disconnected"), ServiceUnreachable),
        (httpx.ProxyError("403 Forbidden"), ServiceUnreachable),
        (httpx.InvalidURL("Invalid port"), ServiceUnreachable),
    ],
)
def test_errors_of_httpx_become_those_of_petmood(error: Exception, kind: type[ServiceError]) -> None:
    with pytest.raises(kind, match=r"http://127\.0\.0\.1:8000") as caught, HERE.translated_errors():
        raise error
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), HERE.translated_errors():
        raise ZeroDivisionError


LOCAL = ("http://127.0.0.1:1", "http://127.9.9.9:1", "http://localhost:1", "http://[::1]:1", "http://workstation:1")
PROXY_SETTINGS = (
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"all_proxy": "socks5h://127.0.0.1:9"},
    {"HTTP_PROXY": "http://127.0.0.1:9"},
    {"http_proxy": "nonsense"},
    {"HTTP_PROXY": "ftp://127.0.0.1:9", "NO_PROXY": "a.example"},
    {"ALL_PROXY": "http://[::1", "NO_PROXY": "localhost"},
)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Unset every proxy, and call the machine "workstation"."""
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("socket.gethostname", lambda: "workstation")
    return monkeypatch


@pytest.mark.parametrize("address", LOCAL)
@pytest.mark.parametrize("settings", PROXY_SETTINGS, ids=str)
def test_this_machine_is_reached_without_a_proxy(
    no_proxies: pytest.MonkeyPatch, address: str, settings: dict[str, str]
) -> None:
    for name, value in settings.items():
        no_proxies.setenv(name, value)
    with Client(address) as client:
        assert not client._http.trust_env
    assert not AsyncClient(address)._http.trust_env


@pytest.mark.parametrize("settings", PROXY_SETTINGS[:1] + PROXY_SETTINGS[4:], ids=str)
def test_a_proxy_that_cannot_be_used_is_one_line_with_the_variable_to_unset(
    no_proxies: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    no_proxies.setitem(sys.modules, "socksio", None)
    for name, value in settings.items():
        no_proxies.setenv(name, value)
    for kind in (Client, AsyncClient):
        with pytest.raises(PetmoodError, match="nset") as caught:
            kind("http://pets.example")
        assert "\n" not in str(caught.value)
        assert next(iter(settings)) in str(caught.value)


def test_a_proxy_s_password_is_not_repeated_and_what_is_missing_is_named(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setitem(sys.modules, "socksio", None)
    no_proxies.setenv("ALL_PROXY", "socks5://me:WORD@proxy.example")
    with pytest.raises(MissingDependency, match=r"'socksio'.*pip install 'httpx\[socks\]'") as caught:
        Client("http://pets.example")
    assert "WORD" not in str(caught.value)


def test_other_machines_are_reached_by_the_proxy_that_is_set(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Client("http://pets.example") as client:
        assert client._http.trust_env
        with pytest.raises(ServiceUnreachable, match=r"http://pets\.example can't be reached"):
            client.health()


def test_certificates_of_the_environment_count_for_this_machine_too(
    no_proxies: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_proxies.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        Client("https://localhost:1")


@pytest.mark.parametrize("address", ["http://[fe80::1%eth0]:8000", "http://[fe80::1%25eth0]:8000/"])
def test_a_zone_stays_on_this_machine(address: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"status": "ok"})

    with Client(address, transport=httpx.MockTransport(answer)) as client:
        assert client.health().status == "ok"
    assert (sent[0].url.host, sent[0].headers["host"]) == ("fe80::1%eth0", "[fe80::1]:8000")

"""Tests of address and token of a service, and of the errors of the way to it."""

import httpx
import pytest

from petmood.client.endpoint import Endpoint
from petmood.core.errors import ConfigError, ServiceError, ServiceTimeout, ServiceUnreachable

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

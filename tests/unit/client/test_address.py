"""Tests of the validation of a service's address."""

import pytest

from petmood.client.address import split_address
from petmood.core.errors import ConfigError


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://pets.example/api", "http://[::1]:9", "HTTP://a"])
def test_an_http_address_is_taken(url: str) -> None:
    assert split_address(url).hostname


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://a", "http://", "http://a:port", "http://a:70000", "http://[::1", "http://a?x=1",
     "http://a#b", "registry://petmood@champion"],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="Expected an address such as http://127"):
        split_address(url)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="got 'http://a'") as caught:
        split_address("http://me:secret@a")
    assert "secret" not in str(caught.value)

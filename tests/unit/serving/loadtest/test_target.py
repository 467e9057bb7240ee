"""Tests of the load test target: remote machines need explicit permission."""

import pytest

from petmood.core.errors import ConfigError
from petmood.serving.loadtest.target import Target, target_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", Target("http://127.0.0.1:8000", "/predict")),
        ("http://localhost:8000/", Target("http://localhost:8000", "/predict")),
        ("http://[::1]:9/v1/predict", Target("http://[::1]:9", "/v1/predict")),
        ("https://127.0.0.2", Target("https://127.0.0.2", "/predict")),
    ],
)
def test_this_machine_may_be_loaded(url: str, expected: Target) -> None:
    target = target_of(url, allow_remote=False)
    assert target == expected
    assert target.url == expected.base + expected.path


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "http://10.0.0.7:80", "http://127.0.0.1.example.org", "http://localhost.example.org:1",
     "http://0.0.0.0:8000", "http://[2001:db8::1]/"],
)  # fmt: skip
def test_another_machine_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ConfigError, match=r"look like an attack.*--allow-remote"):
        target_of(url, allow_remote=False)
    assert target_of(url, allow_remote=True).path == "/predict"


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "http://127.0.0.1@example.org",
     "http://[::1", "http://127.0.0.1/predict?x=1"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="Expected an address such as"):
        target_of(url, allow_remote=True)

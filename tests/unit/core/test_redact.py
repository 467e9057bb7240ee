"""Tests of one-line error messages without credentials."""

import pytest

from petmood.core.names import escape_undecodable
from petmood.core.redact import one_line, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:word@host:5000/x", "http://host:5000/x"),
        ("postgresql+psycopg://me@db/pets and s3://k:s@b", "postgresql+psycopg://db/pets and s3://b"),
        ("http://me:w@rd@host/x", "http://host/x"),
        ("sqlite:///file@home.db", "sqlite:///file@home.db"),
        ("write to me@example.org", "write to me@example.org"),
    ],
)
def test_names_and_passwords_of_addresses_are_left_out(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_an_error_is_one_short_line() -> None:
    assert one_line(ValueError("two\n  lines, http://a:b@c")) == "two lines, http://c"
    assert one_line(TimeoutError()) == "TimeoutError"
    assert one_line(ValueError("x" * 240)) == "x" * 240
    assert one_line(ValueError("x" * 241)) == "x" * 240 + "..."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), r"caf\xe9.jpg"),
        ("\ud83d.jpg", r"\ud83d.jpg"),
        ("caf\u00e9 \U0001f408.jpg", "caf\u00e9 \U0001f408.jpg"),
    ],
)
def test_what_is_no_utf_8_in_a_name_is_escaped_and_the_rest_stays(name: str, shown: str) -> None:
    assert escape_undecodable(name) == shown
    assert one_line(OSError(name)) == shown
    shown.encode()

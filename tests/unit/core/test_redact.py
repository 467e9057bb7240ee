"""Tests of one-line error messages without credentials."""

import pytest

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
    assert len(one_line(ValueError("x" * 1000))) == 243

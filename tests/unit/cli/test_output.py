"""Tests of output in encodings that lack a character."""

import io
import json
import sys

import click
import pytest

from petmood.cli.output import accept_any_text, echo_json

NAME = "caf\udce9 \U0001f408 \u00e9.jpg"


def stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Put a standard output of this encoding in place, and return the bytes that it receives."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, write_through=True))
    return buffer


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_no_text_is_an_error(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        received = stream(encoding, patched)
        with pytest.raises(UnicodeEncodeError):
            click.echo(NAME)
        accept_any_text()
        click.echo(NAME)
        assert received.getvalue().startswith(rb"caf\udce9")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_valid_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        received = stream(encoding, patched)
        accept_any_text()
        echo_json({"photo": NAME})
        assert json.loads(received.getvalue().decode(encoding)) == {"photo": NAME}


def test_a_stream_of_another_kind_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        written = io.StringIO()
        patched.setattr(sys, "stdout", written)
        accept_any_text()
        click.echo("plain")
    assert written.getvalue() == "plain\n"

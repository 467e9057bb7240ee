"""Output of the command line that any terminal, pipe and file can take."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["accept_any_text", "csv_line", "echo_json"]


def accept_any_text() -> None:
    """Make standard output and error escape what their encoding lacks, such as names under PYTHONIOENCODING=ascii."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def csv_line(values: Sequence[str]) -> str:
    """Return values as one line of a table of comma-separated values (RFC 4180), without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def echo_json(value: Any, *, indent: int | None = None) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON, in ASCII unless the output is UTF-8: escapes of the stream would not be valid JSON."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    separators = None if indent else (",", ":")
    click.echo(json.dumps(value, ensure_ascii=not unicode, indent=indent, separators=separators))

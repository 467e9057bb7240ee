"""Tests of JSON log lines and of protection against log injection."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from petmood.serving.logs import JsonLines, LastingHandler, set_up_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Give the root logger back its handlers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def line(message: str = "hello", *, project: str | None = None, **extra: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Format one record and read it again."""
    record = logging.makeLogRecord({"name": "petmood", "levelname": "INFO", "msg": message, **extra})
    text = JsonLines(project=project).format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_record_has_severity_message_and_time_in_utc() -> None:
    found = line()
    assert (found["severity"], found["message"], found["logger"]) == ("INFO", "hello", "petmood")
    assert found["time"].endswith("+00:00")


def test_what_is_given_as_extra_is_a_field_and_nothing_is_none() -> None:
    found = line(request_id="abc", code=None)
    assert found["request_id"] == "abc"
    assert "code" not in found


def int_of(text: str) -> int:
    """Fail with the text."""
    raise ValueError(text)


def test_a_message_cannot_begin_a_line_of_its_own() -> None:
    forged = 'x\n{"severity": "CRITICAL", "message": "forged"}\u2028\x1b[31m'
    assert line(forged)["message"] == forged


def test_a_trace_is_named_as_the_cloud_wants_it() -> None:
    assert line(project="pets", trace_id="a" * 32)["logging.googleapis.com/trace"] == f"projects/pets/traces/{'a' * 32}"
    assert line(trace_id="a" * 32)["trace_id"] == "a" * 32


def test_an_exception_is_in_the_same_line() -> None:
    with pytest.raises(ValueError, match="why") as failure:
        int_of("why")
    found = line(exc_info=(failure.type, failure.value, failure.tb))
    assert "ValueError: why" in found["exception"]


@pytest.mark.parametrize("as_json", [True, False])
def test_setting_up_twice_logs_once(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        set_up_logging(as_json=as_json)
    logging.getLogger("petmood.test").info("once")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("{") == as_json


class Broken(io.StringIO):
    """A stream that nobody reads."""

    def write(self, _: str) -> int:
        """Fail as a pipe whose reader has ended."""
        raise BrokenPipeError


def test_a_record_that_cannot_be_written_is_dropped_without_a_word(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("test.lasting")
    logger.propagate = False
    handler = LastingHandler(Broken())
    logger.addHandler(handler)
    try:
        logger.warning("nobody reads this")
        assert capsys.readouterr().err == ""
        logger.warning("%d", "not a number")
        assert "Logging error" in capsys.readouterr().err, "a mistake of the program is still reported"
    finally:
        logger.removeHandler(handler)
    assert caplog.text == ""


@pytest.mark.posix
@pytest.mark.spawns
def test_streams_that_were_closed_lead_nowhere_and_their_numbers_are_taken() -> None:
    program = (
        "from petmood.serving.logs import open_standard_streams, set_up_logging\n"
        "import logging, os, socket, sys\n"
        "open_standard_streams(); set_up_logging(as_json=True)\n"
        "logging.warning('lost'); print('lost'); print('lost', file=sys.stderr)\n"
        "assert socket.socket().fileno() > 2\n"
        "assert [os.readlink(f'/proc/self/fd/{n}') for n in range(3)] == ['/dev/null'] * 3\n"
    )
    script = '"$0" -c "$1" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", script, sys.executable, program], check=False).returncode == 0

"""Logging set-up: JSON lines for machines, plain text on a terminal."""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

__all__ = ["JsonLines", "LastingHandler", "open_standard_streams", "set_up_logging"]

STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Formats records as JSON for Cloud Logging: severity, message, time and the fields of ``extra``.

    ``project`` is the cloud project of a trace, if any. JSON escapes line breaks and control characters in a message,
    which prevents log injection.
    """

    def __init__(self, *, project: str | None = None) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        fields: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
        }
        fields |= {name: value for name, value in vars(record).items() if name not in STANDARD and value is not None}
        if self._project and (trace := fields.pop("trace_id", None)):
            fields["logging.googleapis.com/trace"] = f"projects/{self._project}/traces/{trace}"
        if record.exc_info:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(fields, default=str)


class LastingHandler(logging.StreamHandler[TextIO]):
    """Writes records to stderr; where that is impossible (its reader has ended, or the disk is full), it drops them.

    Such a record is not reported, as the report would go to the same stream.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop a record whose stream fails; report any other error as usual."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def open_standard_streams() -> None:
    """Open the null device in place of a standard stream that was closed at the start of the process.

    Otherwise a socket or a model's file would get its number, and what libraries print would go there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the whole process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as above


def set_up_logging(*, as_json: bool, project: str | None = None, level: int = logging.INFO) -> None:
    """Send all log records of this process to stderr; call it from entry points only."""
    handler = LastingHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(message)s"
    handler.setFormatter(JsonLines(project=project) if as_json else logging.Formatter(text, "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)  # Pillow's would be lines that are not JSON
    for library in ("alembic", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)

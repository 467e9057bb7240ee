"""Logging set-up: JSON lines for machines, plain text on a terminal."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["JsonLines", "set_up_logging"]

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


def set_up_logging(*, as_json: bool, project: str | None = None, level: int = logging.INFO) -> None:
    """Send all log records of this process to stderr; call it from entry points only."""
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(message)s"
    handler.setFormatter(JsonLines(project=project) if as_json else logging.Formatter(text, "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)

"""How does the service log? One JSON object a line where machines read, plain text on a terminal; set up at start."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["JsonLines", "set_up_logging"]

STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Formats a record as Cloud Logging reads it: severity, message, time, and whatever was given as ``extra``.

    ``project`` is the cloud project that a trace belongs to, where there is one. Line breaks and control characters
    in a message are escaped by JSON itself, so nobody can forge a line.
    """

    def __init__(self, *, project: str | None = None) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
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
    """Send every log of this process to stderr; called by entry points alone."""
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(message)s"
    handler.setFormatter(JsonLines(project=project) if as_json else logging.Formatter(text, "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)

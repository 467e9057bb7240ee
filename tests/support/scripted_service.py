"""HTTP server whose responses are given in advance, to test clients with."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from petmood.core.schemas import ModelInfo, PredictionResponse
from tests.support.local_server import served_by

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
BODY = PredictionResponse(
    label="happy",
    probability=0.9,
    probabilities={"happy": 0.9, "sad": 0.1},
    confident=True,
    prediction_set=["happy"],
    model=MODEL,
    request_id="r-1",
)
REFUSED = {
    "code": "corrupt_image",
    "message": "Expected a complete image, got a truncated or corrupt file.",
    "request_id": "r",
}
BUSY = (503, {"code": "overloaded", "message": "x"}, {"retry-after": "2"})


class Script:
    """What a server shall answer, one after another, and what it was asked."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()
        self.over = threading.Event()


@contextmanager
def serving(*answers: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> Iterator[tuple[str, Script]]:
    """Serve responses in order (the last one for ever), and yield the address; None is sent at the end."""
    script = Script(*((*answer, {})[:3] for answer in answers))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.asked.append(
                {"path": self.path, "method": self.command, "auth": self.headers.get("authorization"), "body": body}
            )
            status, content, headers = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if content is None:
                script.over.wait(120)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            return

    with served_by(Handler) as address:
        try:
            yield f"http://{address}", script
        finally:
            script.over.set()

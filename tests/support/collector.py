"""OpenTelemetry collector for tests: a real HTTP server on loopback that reads OTLP."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.local_server import served_by
from tests.support.waiting import wait_until


class Collector:
    """What a collector got; it answers with ``status``, after ``may_answer`` is set."""

    def __init__(self) -> None:
        self.url, self.status = "", 200
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they came."""
        return [
            span
            for one in self._requests()
            for some in one.resource_spans
            for s in some.scope_spans
            for span in s.spans
        ]

    @property
    def resource(self) -> dict[str, str]:
        """The attributes of the one resource of all spans."""
        (found,) = {
            some.resource.SerializeToString(): some for one in self._requests() for some in one.resource_spans
        }.values()
        return attributes(found.resource.attributes)

    def wait_for(self, count: int) -> list[Span]:
        """Wait until so many spans have come, and return them."""
        wait_until(lambda: len(self.spans) >= count, what=f"{count} spans")
        return self.spans

    def _requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]


def attributes(found: Sequence[KeyValue]) -> dict[str, str]:
    """Return attributes as text by their names."""
    return {one.key: str(getattr(one.value, one.value.WhichOneof("value") or "string_value")) for one in found}


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """Run a collector on a port, by default any free one."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        """Takes one request for export."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.may_answer.wait(60)
            if collector.status == 200:
                collector.paths.append(self.path)
                collector.bodies.append(body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with served_by(Handler, port=port) as address:
        collector.url = f"http://{address}"
        try:
            yield collector
        finally:
            collector.may_answer.set()

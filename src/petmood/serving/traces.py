"""Traces of requests by OpenTelemetry: sampled, and sent in batches to a collector by a thread (OTLP over HTTP)."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from petmood.core.loopback import bypass_proxies
from petmood.core.schemas import ModelInfo

__all__ = ["END_S", "Traces"]

logger = logging.getLogger(__name__)

PATH: Final = "/v1/traces"
SEND_S: Final = 5.0
"""Seconds in which one batch is sent, tries included; then it is dropped."""
END_S: Final = 2.0
"""Seconds in which the spans that wait are sent at the end of the service."""


class Traces:
    """Spans of one service, and the thread that sends them; requests only append to its bounded queue.

    A trace that a client began is continued, and sampled if the client samples it. Of the others a share is sampled.
    """

    def __init__(self, collector: str, *, share: float, model: ModelInfo) -> None:
        """Take the address of a collector without ``/v1/traces``, and the model that is served at the start."""
        self._exporter = _Exporter(collector)
        self.provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource.create(
                {
                    "service.name": "petmood",
                    "service.version": version("petmood"),
                    "petmood.bundle_at_start": model.sha256,
                }
            ),
            shutdown_on_exit=False,
        )

    def start(self) -> None:
        """Start the thread that sends spans."""
        logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)  # a full queue is a warning for each span
        bypass_proxies()
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter))

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Send the spans that wait while the block runs, and for up to 2 seconds in all; others are dropped."""
        until = time.monotonic() + END_S
        thread = threading.Thread(target=self.provider.shutdown, name="traces-end", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive() and not self._exporter.away:
                logger.warning("the last spans are dropped: the collector did not take them in %g s", END_S)


class _Exporter(trace_exporter.OTLPSpanExporter):
    """Sends batches of spans; says once that a collector does not take them, and once that it does again."""

    def __init__(self, collector: str) -> None:
        super().__init__(endpoint=collector.rstrip("/") + PATH, timeout=SEND_S)
        self._collector, self._reasons = collector, _Reasons()
        self.away = False
        logging.getLogger(trace_exporter.__name__).addFilter(self._reasons)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch; one that can't be sent is dropped."""
        self._reasons.begin()
        result = super().export(spans)
        before, self.away = self.away, result is not SpanExportResult.SUCCESS
        if self.away and not before:
            logger.warning("spans are dropped until %s takes them: %s", self._collector, self._reasons.first)
        if before and not self.away:
            logger.warning("spans are sent to %s again", self._collector)
        return result

    def shutdown(self) -> None:
        """Close the connections."""
        super().shutdown()  # type: ignore[no-untyped-call] # the library annotates nothing here
        logging.getLogger(trace_exporter.__name__).removeFilter(self._reasons)


class _Reasons(logging.Filter):
    """Takes the library's messages on failed tries, several for a batch, from the log; keeps the first of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self._thread = "", 0

    def begin(self) -> None:
        """Begin a batch, in the thread that sends it."""
        self.first, self._thread = "", threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the first message of this exporter's thread, and pass on those of others."""
        if record.thread != self._thread:
            return True
        self.first = self.first or record.getMessage()
        return False

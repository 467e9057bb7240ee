"""Prometheus, Alertmanager, a web hook and a service's metrics on loopback, with all durations divided by a factor."""

import json
import math
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from petmood.core.errors import TooSmall
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.monitoring.alerts.prometheus import alertmanager_example, prometheus_rules
from petmood.monitoring.alerts.rule import shortened_rule
from petmood.monitoring.alerts.rules import alert_rules
from petmood.monitoring.metric_names import DRIFT_ALERT, DRIFT_WINDOWS, NO_ROUTE, REQUESTS, DriftStatus, LogResult
from petmood.serving.metrics import ServiceMetrics
from tests.support.local_server import served_by
from tests.support.ports import free_port
from tests.support.prometheus import alertmanager_program, program
from tests.support.waiting import wait_until

FACTOR: Final = 100
"""What every duration is divided by: 5 minutes are 3 seconds, and 3 days are 43 minutes."""
SCRAPE: Final = "300ms"
CAPACITY: Final = 64
ROUTES: Final = ("/predict", "/predict/batch")
MODEL: Final = ModelInfo(name="demo", version="1", sha256="0" * 64)
HAPPY: Final = Prediction("happy", 0.9, {"happy": 0.9}, True, ("happy",), MODEL)
UNDECIDED: Final = Prediction("happy", 0.4, {"happy": 0.4}, False, ("happy",), MODEL)
OUTSIDE: Final = Prediction(None, 0.9, {"happy": 0.9}, False, (), MODEL, domain_warning="no_animal")
CONFIG: Final = """
global: {{scrape_interval: {scrape}, scrape_timeout: {scrape}, evaluation_interval: {scrape}}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: petmood, static_configs: [{{targets: [{targets}]}}]}}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
"""


@dataclass(slots=True)
class Load:
    """What arrives in a second: requests by their end, predictions of three kinds, and rows that go to the spool."""

    answered: float = 50
    failed: float = 0
    slow: float = 0
    unauthorized: float = 0
    confident: float = 10
    undecided: float = 0
    outside: float = 0
    spooled: float = 0


class FakeService:
    """The real metrics of a service, counted up as a load says, and those of the drift API."""

    def __init__(self) -> None:
        self.load, self.is_up = Load(), True
        self.metrics = ServiceMetrics()
        self.metrics.expect(routes=ROUTES, codes=[], capacity=CAPACITY)
        self.metrics.serves(MODEL, classes=["happy", "sad"])
        self._others = CollectorRegistry()
        self.drift = Gauge(DRIFT_ALERT, "Drift.", ["bundle"], registry=self._others)
        windows = Counter(DRIFT_WINDOWS, "Windows.", ["status"], registry=self._others)
        self.drift.labels("abc").set(0)
        for status in DriftStatus:
            windows.labels(status)
        self._due: dict[str, float] = {}

    def page(self) -> bytes:
        """Return all metrics in the text format; of a series that comes twice, Prometheus would keep the first."""
        page = self.metrics.render() + generate_latest(self._others)
        series = [line.rpartition(b" ")[0] for line in page.splitlines() if not line.startswith(b"#")]
        assert len(series) == len({*series})
        return page

    def advance(self, seconds: float) -> None:
        """Count what the load brings in so many seconds."""
        load = self.load
        requests = self.metrics.requests
        requests.labels("POST", "/predict", "200").inc(self._whole("answered", load.answered * seconds))
        requests.labels("POST", "/predict", "500").inc(self._whole("failed", load.failed * seconds))
        requests.labels("POST", NO_ROUTE, "401").inc(self._whole("unauthorized", load.unauthorized * seconds))
        self.metrics.count_log_rows(LogResult.SPOOLED, self._whole("spooled", load.spooled * seconds))
        durations, others = (self.metrics.seconds.labels("POST", route, "2xx") for route in ROUTES)
        for _ in range(min(self._whole("fast", load.answered * seconds), 100)):
            durations.observe(0.02)
        for _ in range(self._whole("slow", load.slow * seconds)):
            durations.observe(2.0)
            others.observe(20.0)
        for name, answer in (("confident", HAPPY), ("undecided", UNDECIDED), ("outside", OUTSIDE)):
            for _ in range(self._whole(name, getattr(load, name) * seconds)):
                self.metrics.count(answer)

    def break_down(self) -> None:
        """Begin every fault that a service with traffic may have."""
        self.load = Load(50, failed=100, slow=50, unauthorized=300, confident=0, undecided=100, outside=100, spooled=50)
        self.metrics.queue.set(0.95 * CAPACITY)
        self.metrics.errors.labels("overloaded").inc(200)
        self.metrics.loads.labels("refused").inc()
        self.metrics.count(TooSmall("a photo"))
        self.metrics.count_log_rows(LogResult.DROPPED, 1)
        self.drift.labels("abc").set(1)

    def recover(self) -> None:
        """End the faults; so many good requests arrive that the budget of the long windows is kept again."""
        self.load = Load(answered=50_000, confident=400)
        self.metrics.queue.set(1)
        self.drift.labels("abc").set(0)

    def _whole(self, name: str, amount: float) -> int:
        """Return the whole part of an amount, and keep the rest for the next time."""
        self._due[name] = self._due.get(name, 0.0) + amount
        whole = math.floor(self._due[name])
        self._due[name] -= whole
        return whole


@dataclass(slots=True)
class Alerting:
    """Running Prometheus and Alertmanager: the address of Prometheus, and what the web hook has received."""

    prometheus: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, status: str) -> list[tuple[str, str]]:
        """Return name and start of every received alert of a status, ``firing`` or ``resolved``."""
        notes = [note for message in list(self.received) for note in message["alerts"]]
        return [(note["labels"]["alertname"], note["startsAt"]) for note in notes if note["status"] == status]

    def wait_for(self, status: str, names: set[str], *, within_s: float = 300) -> None:
        """Wait until the web hook has received these alerts."""
        try:
            wait_until(lambda: names <= {name for name, _ in self.alerts(status)}, within_s=within_s, every_s=0.2)
        except TimeoutError:
            missing = names - {name for name, _ in self.alerts(status)}
            raise AssertionError(f"{status} was never received: {sorted(missing)}") from None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire in Prometheus now."""
        found = self.query("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def query(self, route: str, **parameters: object) -> Any:  # noqa: ANN401 - any JSON value
        """Return the data of an answer of Prometheus."""
        address = f"{self.prometheus}/api/v1/{route}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - our own address
            return json.load(answer)["data"]


@dataclass(slots=True)
class Rehearsal(Alerting):
    """Alerting with a service whose faults a test begins and ends."""

    service: FakeService = field(kw_only=True)

    def is_recorded_and_silent(self) -> bool:
        """Whether Prometheus has the service's metrics, and no alert fires."""
        return bool(self.query("query", query=REQUESTS)["result"]) and not self.firing()


@contextmanager
def alerting(folder: Path, *, exporters: Sequence[int]) -> Iterator[Alerting]:
    """Start Prometheus on exporters at these ports of loopback, with the alert rules, Alertmanager and a web hook."""
    found = Alerting(f"http://127.0.0.1:{free_port()}")
    with _programs(folder, found, exporters=[f"127.0.0.1:{port}" for port in exporters]):
        yield found


@contextmanager
def rehearsal(folder: Path) -> Iterator[Rehearsal]:
    """Start everything, and wait until the metrics are recorded and no alert fires; received alerts are empty then."""
    with ExitStack() as stack:
        service = FakeService()
        found = Rehearsal(f"http://127.0.0.1:{free_port()}", service=service)
        exporter = stack.enter_context(served_by(_exporter(service)))
        stack.enter_context(_ticking(service))
        stack.enter_context(_programs(folder, found, exporters=[exporter]))
        wait_until(found.is_recorded_and_silent, within_s=300, every_s=0.2, what="recorded metrics")
        found.received.clear()
        yield found


@contextmanager
def _programs(folder: Path, found: Alerting, *, exporters: Sequence[str]) -> Iterator[None]:
    with ExitStack() as stack:
        hook = stack.enter_context(served_by(_receiver(found.received)))
        alertmanager = free_port()
        rules = [shortened_rule(rule, factor=FACTOR) for rule in alert_rules()]
        (folder / "rules.yml").write_text(prometheus_rules(rules))
        (folder / "alertmanager.yml").write_text(alertmanager_example(hook=f"http://{hook}", factor=FACTOR))
        targets = ", ".join(f'"{address}"' for address in exporters)
        config = CONFIG.format(scrape=SCRAPE, targets=targets, alertmanager=alertmanager)
        (folder / "prometheus.yml").write_text(config)
        stack.enter_context(
            _running(
                [alertmanager_program(), "--config.file=alertmanager.yml", "--storage.path=am"],
                [f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address="],
                folder=folder,
                ready=f"http://127.0.0.1:{alertmanager}/-/ready",
            )
        )
        port = found.prometheus.rpartition(":")[2]
        stack.enter_context(
            _running(
                [program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"],
                [f"--web.listen-address=127.0.0.1:{port}"],
                folder=folder,
                ready=f"{found.prometheus}/-/ready",
            )
        )
        yield


def _exporter(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = service.page() if service.is_up else b""
            self.send_response(200 if service.is_up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Print nothing."""

    return Exporter


def _receiver(received: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(message | {"path": self.path})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Print nothing."""

    return Receiver


@contextmanager
def _ticking(service: FakeService) -> Iterator[None]:
    """Let the service's load arrive as time passes."""
    stop = threading.Event()

    def tick() -> None:
        before = time.monotonic()
        while not stop.wait(0.05):
            now = time.monotonic()
            service.advance(now - before)
            before = now

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _running(*words: list[str], folder: Path, ready: str) -> Iterator[None]:
    command = [word for some in words for word in some]
    path = folder / f"{Path(command[0]).name}.log"
    with path.open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:

            def answers() -> bool:
                assert process.poll() is None, path.read_text()
                try:
                    with urllib.request.urlopen(ready, timeout=10) as answer:  # noqa: S310 - our own address
                        return bool(answer.status == 200)
                except (urllib.error.URLError, OSError):
                    return False

            wait_until(answers, within_s=300, every_s=0.1, what=command[0])
            yield
        finally:
            process.terminate()
            process.wait()

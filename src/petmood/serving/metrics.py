"""Prometheus metrics of the service: what is counted when, and multiprocess rendering."""

import os
from collections.abc import Iterable
from typing import Any, Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from petmood.core.domain import UNFAMILIAR, DomainWarning
from petmood.core.errors import PetmoodError, PhotoError, RequestError
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.monitoring import metric_names as names
from petmood.monitoring.metric_names import FeedbackResult, LoadResult, LogResult, PhotoResult

__all__ = [
    "CONTENT_TYPE",
    "MULTIPROCESS_FOLDER",
    "WORKER_NUMBER",
    "RestartCounter",
    "ServiceMetrics",
    "error_codes",
    "forget_worker",
]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MULTIPROCESS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable for the shared metrics folder; prometheus_client reads it when it is imported."""

WORKER_NUMBER: Final = "PETMOOD_WORKER_NUMBER"
"""Environment variable with the number of one of several processes; a process that replaces it continues its files."""
RESTARTS: Final = (names.WORKER_RESTARTS, "Server processes that were started again after they ended.")

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STATUSES: Final = (200, 401, 403, 500, 503)
"""Statuses of a request for a prediction that alert rules evaluate; of other errors of clients, none does."""
REFUSALS: Final = (401, 403)
"""Those that a request may have before its route is known."""
CHANCES: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class ServiceMetrics:
    """Metrics of one service; with several processes each writes its own values, and ``render`` aggregates them.

    Labels have low cardinality: ``route`` is the route's pattern, never the requested path. What was never counted is
    there as 0: a counter that first appears as 1 has not increased, and no alert would notice it.
    """

    def __init__(self) -> None:
        if MULTIPROCESS_FOLDER in os.environ and (number := os.environ.get(WORKER_NUMBER)):
            values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call] # untyped
        disable_created_metrics()  # type: ignore[no-untyped-call] # untyped; *_created samples double the page size
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            names.REQUESTS, "HTTP requests completed.", ["method", "route", "status"], registry=registry
        )
        self.errors = Counter(names.ERRORS, "Rejected or failed requests, by error code.", ["code"], registry=registry)
        self.rejected = Counter(
            names.REJECTED_PHOTOS,
            "Rejected photos, by error code; a batch may contain several.",
            ["code"],
            registry=registry,
        )
        self.seconds = Histogram(
            names.REQUEST_SECONDS,
            "Time to the last byte; status is the class, such as 2xx.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            names.IN_FLIGHT, "HTTP requests in progress.", registry=registry, multiprocess_mode="livesum"
        )
        self.queue = Gauge(
            names.QUEUE_DEPTH, "Photos waiting for a worker thread.", registry=registry, multiprocess_mode="livesum"
        )
        self.capacity = Gauge(
            names.QUEUE_CAPACITY,
            "Photos that may wait; more are rejected.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._count_predictions(registry)
        self._count_log(registry)
        Counter(*RESTARTS, registry=registry)  # counted by the supervisor; 0 for a single process
        self._count_models(registry)
        for code in error_codes(PhotoError, RequestError):
            self.errors.labels(code)
            self.rejected.labels(code)
        self._finished: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _count_predictions(self, registry: CollectorRegistry) -> None:
        self.answers = Counter(
            names.PREDICTIONS,
            f"Predictions, by class; {names.OUT_OF_DOMAIN} for a photo without one.",
            ["label"],
            registry=registry,
        )
        self.outside = Counter(
            names.OUTSIDE_PHOTOS,
            "Photos that are not of the kind that the model was trained on, by reason: no_animal or unfamiliar.",
            ["reason"],
            registry=registry,
        )
        self.unsure = Counter(
            names.ABSTENTIONS, "Predictions of a class below the confidence threshold.", registry=registry
        )
        self.probability = Histogram(
            names.CONFIDENCE, "Probability of the predicted class.", buckets=CHANCES, registry=registry
        )
        for reason in get_args(DomainWarning):
            self.outside.labels(reason)
        self.answers.labels(names.OUT_OF_DOMAIN)

    def _count_log(self, registry: CollectorRegistry) -> None:
        self.log_rows = Counter(names.LOG_ROWS, "Rows of the prediction log, by result.", ["result"], registry=registry)
        self.kept_photos = Counter(
            names.KEPT_PHOTOS, "Photos of a service that keeps them, by result.", ["result"], registry=registry
        )
        self.feedback = Counter(names.FEEDBACK, "Feedback on predictions, by result.", ["result"], registry=registry)
        for result in LogResult:
            self.log_rows.labels(result.value)
        for fate in PhotoResult:
            self.kept_photos.labels(fate.value)
        for said in FeedbackResult:
            self.feedback.labels(said.value)

    def _count_models(self, registry: CollectorRegistry) -> None:
        self.model = Gauge(
            names.MODEL_INFO,
            "1 for the active model, 0 for earlier models.",
            ["name", "version", "sha256"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.loads = Counter(
            names.MODEL_LOADS,
            "Model changes, by result: loaded, rolled_back, followed (watched alias moved) or refused.",
            ["result"],
            registry=registry,
        )
        self.registry_up = Gauge(
            names.REGISTRY_UP,
            "1 if the last registry lookup succeeded, 0 if it failed.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.registry_version = Gauge(
            names.REGISTRY_VERSION,
            "Number of the version that the watched alias points to.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        for result in LoadResult:
            self.loads.labels(result)

    def expect(self, *, routes: Iterable[str], codes: Iterable[str], capacity: int) -> None:
        """Begin the counts of prediction routes and of further error codes at 0, and set the queue's capacity.

        The codes of the error tree are there without that.
        """
        for route in routes:
            self.seconds.labels("POST", route, "2xx")
            for status in STATUSES:
                self.requests.labels("POST", route, str(status))
        for status in REFUSALS:
            self.requests.labels("POST", names.NO_ROUTE, str(status))
        for code in codes:
            self.errors.labels(code)
        self.capacity.set(capacity)

    def finished(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and observe its duration in seconds."""
        key = (method, route, status)
        found = self._finished.get(key)
        if found is None:  # cached: looking children up by label took 10% of a request's time
            labels = method, route, f"{status // 100}xx"
            found = self.requests.labels(method, route, str(status)), self.seconds.labels(*labels)
            self._finished[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def count(self, answer: Prediction | PetmoodError) -> None:
        """Count the result for one photo: a prediction by class and probability, an error by code.

        A photo out of the domain is counted by its reason. It counts neither as an abstention nor in the histogram.
        """
        if isinstance(answer, PetmoodError):
            self.rejected.labels(answer.code).inc()
            return
        self.answers.labels(answer.label or names.OUT_OF_DOMAIN).inc()
        if answer.label is None:
            self.outside.labels(answer.domain_warning or UNFAMILIAR).inc()
            return
        self.probability.observe(answer.probability)
        if not answer.confident:
            self.unsure.inc()

    def count_log_rows(self, result: LogResult, number: int) -> None:
        """Count rows of the prediction log; thread-safe."""
        if number:
            self.log_rows.labels(result.value).inc(number)

    def count_kept_photos(self, result: PhotoResult, number: int) -> None:
        """Count photos of a service that keeps them; thread-safe."""
        self.kept_photos.labels(result.value).inc(number)

    def count_feedback(self, result: FeedbackResult) -> None:
        """Count feedback on a prediction; thread-safe."""
        self.feedback.labels(result.value).inc()

    def serves(self, model: ModelInfo, *, classes: Iterable[str] = (), instead_of: ModelInfo | None = None) -> None:
        """Set the model info gauge to 1 for the active model and to 0 for the one it replaces.

        The counts of the model's classes begin at 0.
        """
        for label in classes:
            self.answers.labels(label)
        if instead_of is not None:
            self.model.labels(instead_of.name, instead_of.version, instead_of.sha256[:12]).set(0)
        self.model.labels(model.name, model.version, model.sha256[:12]).set(1)

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format, aggregated over all processes."""
        if MULTIPROCESS_FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call] # untyped in prometheus_client
        return generate_latest(together)


def error_codes(*trees: type[PetmoodError]) -> list[str]:
    """Return the codes of error classes and of all their subclasses, sorted."""
    found = set[str]()
    for tree in trees:
        found |= {tree.code, *error_codes(*tree.__subclasses__())}
    return sorted(found)


class RestartCounter:
    """The supervisor's own number in the metrics folder, beside those of the processes.

    The supervisor chooses the folder after prometheus_client was imported, so the value's kind is named here.
    """

    def __init__(self) -> None:
        name, text = RESTARTS
        kind: Any = values.MultiProcessValue(lambda: "supervisor")  # type: ignore[no-untyped-call] # untyped
        self._value = kind("counter", name.removesuffix("_total"), name, (), (), text)

    def inc(self) -> None:
        """Count one process that is started again."""
        self._value.inc(1)


def forget_worker(number: int) -> None:
    """Remove a dead process from the live gauges, such as requests in flight; what it counted stays."""
    mark_process_dead(number)  # type: ignore[no-untyped-call] # untyped in prometheus_client

"""Names of all Prometheus metrics and the values of their labels, for what counts and for what queries."""

from enum import StrEnum
from typing import Final

__all__ = [
    "ABSTENTIONS",
    "CONFIDENCE",
    "DRIFT_ALERT",
    "DRIFT_WINDOWS",
    "ERRORS",
    "FEEDBACK",
    "IN_FLIGHT",
    "KEPT_PHOTOS",
    "LOG_ROWS",
    "MODEL_INFO",
    "MODEL_LOADS",
    "NO_ROUTE",
    "OUTSIDE_PHOTOS",
    "OUT_OF_DOMAIN",
    "PREDICTIONS",
    "QUEUE_CAPACITY",
    "QUEUE_DEPTH",
    "REGISTRY_UP",
    "REGISTRY_VERSION",
    "REJECTED_PHOTOS",
    "REQUESTS",
    "REQUEST_SECONDS",
    "WORKER_RESTARTS",
    "DriftStatus",
    "FeedbackResult",
    "LoadResult",
    "LogResult",
    "PhotoResult",
]

REQUESTS: Final = "petmood_requests_total"
ERRORS: Final = "petmood_errors_total"
REJECTED_PHOTOS: Final = "petmood_rejected_photos_total"
REQUEST_SECONDS: Final = "petmood_request_duration_seconds"
IN_FLIGHT: Final = "petmood_requests_in_flight"
QUEUE_DEPTH: Final = "petmood_queue_depth"
QUEUE_CAPACITY: Final = "petmood_queue_capacity"
PREDICTIONS: Final = "petmood_predictions_total"
OUTSIDE_PHOTOS: Final = "petmood_out_of_domain_total"
ABSTENTIONS: Final = "petmood_abstentions_total"
CONFIDENCE: Final = "petmood_prediction_confidence"
WORKER_RESTARTS: Final = "petmood_worker_restarts_total"
MODEL_INFO: Final = "petmood_model_info"
MODEL_LOADS: Final = "petmood_model_loads_total"
REGISTRY_UP: Final = "petmood_registry_up"
REGISTRY_VERSION: Final = "petmood_registry_version"

LOG_ROWS: Final = "petmood_prediction_log_rows_total"
"""Rows of the prediction log by ``result``, a ``LogResult``."""
KEPT_PHOTOS: Final = "petmood_kept_photos_total"
"""Photos of a service that keeps them by ``result``, a ``PhotoResult``."""
FEEDBACK: Final = "petmood_feedback_total"
"""Feedback on predictions by ``result``, a ``FeedbackResult``; what is refused counts in ``petmood_errors_total``."""
DRIFT_ALERT: Final = "petmood_drift_alert"
"""Gauge of the drift API by ``bundle``: 1 after three windows with drift in a row, else 0."""
DRIFT_WINDOWS: Final = "petmood_drift_windows_total"
"""Windows that the drift API compared by ``status``, a ``DriftStatus``."""

NO_ROUTE: Final = "none"
"""Label ``route`` of requests to a path that is none, or that are refused before their path is looked up."""
OUT_OF_DOMAIN: Final = "out_of_domain"
"""Label in ``petmood_predictions_total`` of predictions without a class."""


class LoadResult(StrEnum):
    """Label ``result`` of ``petmood_model_loads_total``; ``followed`` is a watched alias that moved."""

    LOADED = "loaded"
    ROLLED_BACK = "rolled_back"
    FOLLOWED = "followed"
    REFUSED = "refused"


class LogResult(StrEnum):
    """Label ``result`` of ``petmood_prediction_log_rows_total``: what became of rows of the prediction log."""

    WRITTEN = "written"
    """Written into the database, at once or from the spool."""
    SPOOLED = "spooled"
    """Written into the spool, as the database was away; they count as written too once they are replayed."""
    REPEATED = "repeated"
    """In the log already: a replay, or a request id that a client used twice."""
    DROPPED = "dropped"
    """Lost: the queue or the disk was full, or the database refused the row."""


class DriftStatus(StrEnum):
    """Label ``status`` of ``petmood_drift_windows_total``: result of a window; ``insufficient`` has too few rows."""

    OK = "ok"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient"


class PhotoResult(StrEnum):
    """Label ``result`` of ``petmood_kept_photos_total``: what became of photos that a service shall keep."""

    KEPT = "kept"
    DROPPED = "dropped"
    """Lost: too many wait to be written, or the disk is full."""


class FeedbackResult(StrEnum):
    """Label ``result`` of ``petmood_feedback_total``: what a visitor says of a prediction."""

    RIGHT = "right"
    WRONG = "wrong"

"""PromQL of the service's indicators; rules and panels are built from these."""

from typing import Final

from petmood.monitoring.metric_names import (
    ABSTENTIONS,
    CONFIDENCE,
    ERRORS,
    OUTSIDE_PHOTOS,
    PREDICTIONS,
    QUEUE_CAPACITY,
    QUEUE_DEPTH,
    REQUEST_SECONDS,
    REQUESTS,
)

__all__ = [
    "PREDICTION_REQUESTS",
    "abstention_share",
    "classified",
    "counted",
    "failed",
    "failed_share",
    "latency",
    "latency_requests",
    "out_of_domain_share",
    "overloads",
    "predicted",
    "queue_share",
    "valid",
]

PREDICTION_REQUESTS: Final = 'method="POST",route!~"/models.*"'
"""Label matchers of requests for predictions, at the paths of Vertex AI as well; probes and pages are others."""


def counted(metric: str, matchers: str, window: str) -> str:
    """Return the increase of a counter, over all processes and instances."""
    labels = f"{{{matchers}}}" if matchers else ""
    return f"sum(increase({metric}{labels}[{window}]))"


def valid(window: str) -> str:
    """Return the valid requests: those for predictions without 4xx, which are errors of clients.

    Were they counted as answered, a client that sends many bad requests would hide the service's failures.
    """
    return counted(REQUESTS, f'{PREDICTION_REQUESTS},status!~"4.."', window)


def failed(window: str) -> str:
    """Return the failed requests: 5xx, with 503 of an overloaded or ending service."""
    return counted(REQUESTS, f'{PREDICTION_REQUESTS},status=~"5.."', window)


def failed_share(window: str) -> str:
    """Return the share of valid requests that failed."""
    return f"{failed(window)} / {valid(window)}"


def overloads(window: str) -> str:
    """Return what was refused for overload: requests, and connections, which no other metric counts."""
    return counted(ERRORS, 'code="overloaded"', window)


def latency(quantile: float, window: str) -> str:
    """Return a quantile of the duration of ``POST /predict`` in seconds, interpolated between the bounds."""
    rate = f'rate({REQUEST_SECONDS}_bucket{{route="/predict"}}[{window}])'
    return f"histogram_quantile({quantile:g}, sum by (le) ({rate}))"


def latency_requests(window: str) -> str:
    """Return the number of requests behind ``latency``."""
    return counted(f"{REQUEST_SECONDS}_count", 'route="/predict"', window)


def queue_share(window: str) -> str:
    """Return the filled share of the fullest instance's queue, averaged over a window."""
    return f"max(avg_over_time({QUEUE_DEPTH}[{window}]) / {QUEUE_CAPACITY})"


def predicted(window: str) -> str:
    """Return the number of predictions, with and without a class."""
    return counted(PREDICTIONS, "", window)


def classified(window: str) -> str:
    """Return the number of predictions of a class."""
    return counted(f"{CONFIDENCE}_count", "", window)


def abstention_share(window: str) -> str:
    """Return the share of predictions of a class below the confidence threshold."""
    return f"{counted(ABSTENTIONS, '', window)} / {classified(window)}"


def out_of_domain_share(window: str) -> str:
    """Return the share of predictions of photos out of the domain."""
    return f"{counted(OUTSIDE_PHOTOS, '', window)} / {predicted(window)}"

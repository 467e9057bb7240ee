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
    "ONE_PHOTO",
    "OTHER_ROUTES",
    "PREDICTION_REQUESTS",
    "abstention_share",
    "answered",
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
    "requested",
    "unauthorized",
    "valid",
]

PREDICTION_REQUESTS: Final = 'method="POST",route!~"/models.*|/feedback"'
"""Label matchers of requests for predictions, at the paths of Vertex AI as well: not probes, pages and feedback."""
ONE_PHOTO: Final = 'route="/predict"'
OTHER_ROUTES: Final = 'route!="/predict"'
"""Label matchers of requests for predictions of one photo, and of several or with maps, which take longer."""


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


def requested(window: str) -> str:
    """Return all requests for predictions."""
    return counted(REQUESTS, PREDICTION_REQUESTS, window)


def answered(window: str) -> str:
    """Return the requests that got predictions."""
    return counted(REQUESTS, f'{PREDICTION_REQUESTS},status=~"2.."', window)


def unauthorized(window: str) -> str:
    """Return the requests that were refused for their token or origin, which is before their route is known."""
    return counted(REQUESTS, f'{PREDICTION_REQUESTS},status=~"401|403"', window)


def latency(quantile: float, window: str, *, routes: str = ONE_PHOTO) -> str:
    """Return a quantile of the duration of answered requests in seconds, interpolated between the bounds.

    ``routes`` is ``ONE_PHOTO`` or ``OTHER_ROUTES``. Refusals are quick, so they would lower the quantile.
    """
    rate = f"rate({REQUEST_SECONDS}_bucket{{{_measured(routes)}}}[{window}])"
    return f"histogram_quantile({quantile:g}, sum by (le) ({rate}))"


def latency_requests(window: str, *, routes: str = ONE_PHOTO) -> str:
    """Return the number of requests behind ``latency``."""
    return counted(f"{REQUEST_SECONDS}_count", _measured(routes), window)


def _measured(routes: str) -> str:
    return f'{PREDICTION_REQUESTS},{routes},status="2xx"'


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

"""Panels of the dashboard: what each shows, and its queries in PromQL."""

from dataclasses import dataclass, replace
from typing import Final

from petmood.monitoring.alerts.limits import LIMITS, AlertLimits
from petmood.monitoring.alerts.queries import (
    OTHER_ROUTES,
    PREDICTION_REQUESTS,
    abstention_share,
    failed_share,
    latency,
    out_of_domain_share,
    overloads,
    queue_share,
)
from petmood.monitoring.alerts.rule import shortened
from petmood.monitoring.metric_names import (
    DRIFT_ALERT,
    DRIFT_WINDOWS,
    ERRORS,
    IN_FLIGHT,
    LOG_ROWS,
    MODEL_INFO,
    MODEL_LOADS,
    PREDICTIONS,
    REQUESTS,
    WORKER_RESTARTS,
)

__all__ = ["Panel", "Query", "Row", "panel_rows", "shortened_row"]

WINDOW: Final = "5m"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; ``legend`` names its series, with labels in double braces."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Time series of some queries in one unit of Grafana; ``threshold`` is the limit of an alert rule."""

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Titled row of panels."""

    title: str
    panels: tuple[Panel, ...]


def panel_rows(limits: AlertLimits = LIMITS) -> tuple[Row, ...]:
    """Return all rows; queries and thresholds are those of the alert rules where there is a rule."""
    return (
        Row("Requests", _requests(limits)),
        Row("Load", _load(limits)),
        Row("Predictions", _predictions(limits)),
        Row("Model and log", _operation()),
    )


def shortened_row(row: Row, *, factor: float) -> Row:
    """Return a row with every duration of its queries divided by a factor, for a rehearsal that takes minutes."""

    def divided(panel: Panel) -> Panel:
        queries = tuple(replace(query, expr=shortened(query.expr, factor=factor)) for query in panel.queries)
        return replace(panel, queries=queries)

    return replace(row, panels=tuple(map(divided, row.panels)))


def _rate(metric: str, by: str, matchers: str = "") -> str:
    labels = f"{{{matchers}}}" if matchers else ""
    return f"sum by ({by}) (rate({metric}{labels}[{WINDOW}]))"


def _requests(limits: AlertLimits) -> tuple[Panel, ...]:
    windows = (("1h", "1 hour"), ("6h", "6 hours"), ("3d", "3 days"))
    return (
        Panel(
            "Requests for predictions",
            "Requests per second by status.",
            "reqps",
            (Query(_rate(REQUESTS, "status", PREDICTION_REQUESTS), "{{status}}"),),
        ),
        Panel(
            "Failed share of valid requests",
            "Share of requests with 5xx among those without 4xx. The line is the error budget.",
            "percentunit",
            tuple(Query(failed_share(window), text) for window, text in windows),
            threshold=limits.error_budget,
        ),
        Panel(
            "Duration of POST /predict",
            "Percentiles of answered requests over 10 minutes. The line is the objective of the 99th.",
            "s",
            tuple(Query(latency(share, "10m"), f"p{100 * share:g}") for share in (0.5, 0.95, 0.99)),
            threshold=limits.p99_s,
        ),
        Panel(
            "Duration of other predictions",
            "Percentiles of batches, explanations and Vertex AI over 10 minutes. The line is their objective.",
            "s",
            tuple(
                Query(latency(share, "10m", routes=OTHER_ROUTES), f"p{100 * share:g}") for share in (0.5, 0.95, 0.99)
            ),
            threshold=limits.other_p99_s,
        ),
        Panel(
            "Errors by code",
            "Rejected or failed requests per second.",
            "reqps",
            (Query(_rate(ERRORS, "code"), "{{code}}"),),
        ),
    )


def _load(limits: AlertLimits) -> tuple[Panel, ...]:
    return (
        Panel(
            "Filled share of the queue",
            "The fullest instance, averaged over 5 minutes.",
            "percentunit",
            (Query(queue_share(WINDOW), "fullest queue"),),
            threshold=limits.queue,
        ),
        Panel("Requests in progress", "All instances.", "short", (Query(f"sum({IN_FLIGHT})", "requests"),)),
        Panel(
            "Refused for overload",
            "Requests and connections in 10 minutes.",
            "short",
            (Query(overloads("10m"), "refused"),),
            threshold=limits.overloads,
        ),
        Panel(
            "Restarted processes",
            "Server processes that were started again, since the start of each instance.",
            "short",
            (Query(f"sum({WORKER_RESTARTS})", "restarts"),),
        ),
    )


def _predictions(limits: AlertLimits) -> tuple[Panel, ...]:
    return (
        Panel(
            "Predictions by class",
            "Predictions per second.",
            "short",
            (Query(_rate(PREDICTIONS, "label"), "{{label}}"),),
        ),
        Panel(
            "Abstentions",
            "Share of predictions of a class below the confidence threshold, over 1 hour.",
            "percentunit",
            (Query(abstention_share("1h"), "abstentions"),),
            threshold=limits.abstentions,
        ),
        Panel(
            "Out of domain",
            "Share of photos of another kind than those of the training, over 1 hour.",
            "percentunit",
            (Query(out_of_domain_share("1h"), "out of domain"),),
            threshold=limits.out_of_domain,
        ),
        Panel(
            "Drift",
            "1 after three windows with drift in a row.",
            "short",
            (
                Query(f"max by (bundle) ({DRIFT_ALERT})", "{{bundle}}"),
                Query(f"sum by (status) ({DRIFT_WINDOWS})", "windows {{status}}"),
            ),
            threshold=1,
        ),
    )


def _operation() -> tuple[Panel, ...]:
    return (
        Panel(
            "Active model",
            "1 for the active model of each instance.",
            "short",
            (Query(f"max by (name, version, sha256) ({MODEL_INFO})", "{{name}} {{version}} {{sha256}}"),),
        ),
        Panel(
            "Model changes",
            "Model changes by result, since the start of each instance.",
            "short",
            (Query(f"sum by (result) ({MODEL_LOADS})", "{{result}}"),),
        ),
        Panel(
            "Rows of the prediction log",
            "Rows per second by result.",
            "short",
            (Query(_rate(LOG_ROWS, "result"), "{{result}}"),),
        ),
    )

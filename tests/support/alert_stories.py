"""Courses of the service's metrics over hours and days, with the alerts that fire at some of their minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from petmood.monitoring.alerts.rule import Rule

HOUR, DAY = 60, 24 * 60

Course = Sequence[tuple[float, int]]
"""Pieces of a series: increase a minute (or value, of a gauge) and minutes."""

PREDICT: Final = 'petmood_requests_total{method="POST",route="/predict",status="%d"}'
BUCKET: Final = 'petmood_request_duration_seconds_bucket{method="POST",route="%s",status="%s",le="%s"}'
MEASURED: Final = 'petmood_request_duration_seconds_count{method="POST",route="%s",status="%s"}'
UNAUTHORIZED: Final = 'petmood_requests_total{method="POST",route="none",status="401"}'


@dataclass(frozen=True, slots=True)
class Story:
    """Series by name with labels, and the names of the alerts that fire by minute; all others are silent then."""

    name: str
    series: dict[str, str]
    fires: dict[int, tuple[str, ...]]


def counter(*pieces: tuple[float, int]) -> str:
    """Return a counter in the notation of promtool: pieces of an increase a minute and minutes."""
    value, words = 0.0, ["0"]
    for rate, minutes in pieces:
        words.append(f"{value + rate:g}+{rate:g}x{minutes - 1}")
        value += rate * minutes
    return " ".join(words)


def gauge(*pieces: tuple[float, int]) -> str:
    """Return a gauge in the notation of promtool: pieces of a value and minutes."""
    return " ".join(f"{value:g}+0x{minutes - 1}" for value, minutes in pieces)


def traffic(ok: Course, failed: Course) -> dict[str, str]:
    """Return requests that are answered and requests that fail, with a page that is polled without failures."""
    probes = 'petmood_requests_total{method="GET",route="/readyz",status="200"}'
    refused = PREDICT % 422
    minutes = sum(length for _, length in ok)
    return {
        PREDICT % 200: counter(*ok),
        PREDICT % 500: counter(*failed),
        refused: counter((1000, minutes)),
        probes: counter((1000, minutes)),
    }


def _share(metric: str, share: Course, *, total: str, minutes: int) -> dict[str, str]:
    """Return 10 predictions a minute, a share of which is counted by another counter."""
    return {total: counter((10, minutes)), metric: counter(*((10 * part, length) for part, length in share))} | traffic(
        [(10, minutes)], [(0, minutes)]
    )


def _latency(slow: Course, *, route: str = "/predict", bounds: tuple[str, str] = ("1.0", "2.5")) -> dict[str, str]:
    """Return 60 answered requests a minute, of which a share takes between two bounds, the others less than 0.1 s.

    Ten times as many are refused at once: they don't count.
    """
    fast = counter(*((60 * (1 - share), minutes) for share, minutes in slow))
    every = counter(*((60, minutes) for _, minutes in slow))
    minutes = sum(length for _, length in slow)
    refused = counter((600, minutes))
    answered = {"0.1": fast, bounds[0]: fast, bounds[1]: every, "+Inf": every}
    return {
        **{BUCKET % (route, "2xx", bound): course for bound, course in answered.items()},
        **{BUCKET % (route, "4xx", bound): refused for bound in answered},
        MEASURED % (route, "2xx"): every,
        MEASURED % (route, "4xx"): refused,
        **traffic([(60, minutes)], [(0, minutes)]),
    }


def _one(series: str, course: str, *, minutes: int) -> dict[str, str]:
    """Return one series with ordinary traffic."""
    return {series: course} | traffic([(10, minutes)], [(0, minutes)])


FAST, MEDIUM, SLOW = (f"PetmoodErrorBudgetBurn{name}" for name in ("Fast", "Medium", "Slow"))
REFUSED: Final = 'petmood_model_loads_total{result="refused"}'
DROPPED: Final = 'petmood_prediction_log_rows_total{result="dropped"}'
SPOOLED: Final = DROPPED.replace("dropped", "spooled")
OVERLOADED: Final = 'petmood_errors_total{code="overloaded"}'
CLASSIFIED: Final = "petmood_prediction_confidence_count"
FILLED: Final = {"petmood_queue_capacity": "64+0x200"}

LONG_STORIES: Final = (
    Story(
        "a service within its objective",
        traffic([(59.8, 3 * DAY)], [(0.2, 3 * DAY)]),
        {HOUR: (), 6 * HOUR: (), 3 * DAY: ()},
    ),
    Story(
        "one request in ten fails for 50 minutes: 7.2% of an hour is reached after 43 minutes",
        traffic([(100, DAY), (90, 50), (100, 7 * HOUR)], [(0, DAY), (10, 50), (0, 7 * HOUR)]),
        {DAY: (), DAY + 40: (), DAY + 50: (FAST,), DAY + 60: (), DAY + 7 * HOUR: ()},
    ),
    Story(
        "one request in twenty fails for 5 hours: 3% of six hours are reached after 216 minutes",
        traffic([(100, 3 * DAY), (95, 5 * HOUR), (100, 6 * HOUR)], [(0, 3 * DAY), (5, 5 * HOUR), (0, 6 * HOUR)]),
        {3 * DAY + 210: (), 3 * DAY + 220: (MEDIUM,), 3 * DAY + 310: (MEDIUM,), 3 * DAY + 340: ()},
    ),
    Story(
        "one request in a hundred fails for 40 hours: 0.5% of three days are reached after 36 hours",
        traffic([(100, 2 * DAY), (99, 40 * HOUR), (100, DAY)], [(0, 2 * DAY), (1, 40 * HOUR), (0, DAY)]),
        {2 * DAY + 35 * HOUR: (), 2 * DAY + 39 * HOUR: (SLOW,), 2 * DAY + 40 * HOUR + 4 * HOUR: ()},
    ),
    Story(
        "so few requests that one failure is a large share",
        traffic([(0.2, 3 * DAY)], [(0.02, 3 * DAY)]),
        {HOUR: (), 6 * HOUR: (), 3 * DAY: ()},
    ),
    Story(
        "all requests fail after a day without any failure: the counter rises from 0",
        traffic([(100, DAY), (0, 10)], [(0, DAY), (100, 10)]),
        {DAY: (), DAY + 10: (FAST, SLOW)},
    ),
)
"""Stories of the windows up to three days; they begin and are observed at multiples of ten minutes."""

STORIES: Final = (
    Story(
        "two in a hundred are slow for 30 minutes",
        _latency([(0, HOUR), (0.02, 30), (0, HOUR)]),
        {HOUR: (), HOUR + 8: (), HOUR + 15: ("PetmoodLatencyP99",), HOUR + 30: ("PetmoodLatencyP99",), HOUR + 45: ()},
    ),
    Story("one in two hundred is slow", _latency([(0.005, HOUR)]), {HOUR - 1: ()}),
    Story(
        "two batches in a hundred are slow for 30 minutes",
        _latency([(0, HOUR), (0.02, 30), (0, HOUR)], route="/predict/batch", bounds=("10.0", "30.0")),
        {HOUR: (), HOUR + 8: (), HOUR + 30: ("PetmoodLatencyP99OtherRoutes",), HOUR + 45: ()},
    ),
    Story(
        "a batch may take longer than a photo",
        _latency([(0.5, HOUR)], route="/predict/batch", bounds=("1.0", "2.5")),
        {HOUR - 1: ()},
    ),
    Story(
        "all clients have a wrong token for an hour",
        traffic([(10, 2 * HOUR), (0, HOUR), (10, HOUR)], [(0, 4 * HOUR)])
        | {PREDICT % 422: "0+0x240", UNAUTHORIZED: counter((0, 2 * HOUR), (10, HOUR), (0, HOUR))},
        {2 * HOUR: (), 2 * HOUR + 10: (), 2 * HOUR + 30: ("PetmoodUnauthorized",), 3 * HOUR + 30: ()},
    ),
    Story(
        "one request in three has a wrong token",
        traffic([(10, HOUR)], [(0, HOUR)]) | {PREDICT % 422: "0+0x60", UNAUTHORIZED: counter((5, HOUR))},
        {HOUR - 1: ()},
    ),
    Story(
        "a few requests without a token, and no others",
        {UNAUTHORIZED: counter((0.5, HOUR)), PREDICT % 200: "0+0x60"},
        {HOUR - 1: ()},
    ),
    Story(
        "a queue that is nearly full for 20 minutes",
        FILLED | _one("petmood_queue_depth", gauge((2, HOUR), (60, 20), (2, HOUR)), minutes=140),
        {HOUR: (), HOUR + 10: ("PetmoodQueueSaturated",), HOUR + 30: ()},
    ),
    Story(
        "a queue that is half full",
        FILLED | _one("petmood_queue_depth", gauge((32, HOUR)), minutes=HOUR),
        {HOUR - 1: ()},
    ),
    Story(
        "ten refusals a minute for overload, for 10 minutes",
        _one(OVERLOADED, counter((0, HOUR), (10, 10), (0, HOUR)), minutes=130),
        {HOUR: (), HOUR + 5: ("PetmoodOverloaded",), HOUR + 22: ()},
    ),
    Story("one refusal a minute", _one(OVERLOADED, counter((1, HOUR)), minutes=HOUR), {HOUR - 1: ()}),
    Story(
        "most photos get no confident answer for 2 hours",
        _share(
            "petmood_abstentions_total",
            [(0.1, 2 * HOUR), (0.9, 2 * HOUR), (0.1, 2 * HOUR)],
            total=CLASSIFIED,
            minutes=6 * HOUR,
        ),
        {2 * HOUR: (), 4 * HOUR: ("PetmoodAbstentions",), 5 * HOUR + 30: ()},
    ),
    Story(
        "most photos are out of the domain for 2 hours",
        _share(
            'petmood_out_of_domain_total{reason="no_animal"}',
            [(0.02, 2 * HOUR), (0.9, 2 * HOUR), (0.02, 2 * HOUR)],
            total='petmood_predictions_total{label="happy"}',
            minutes=6 * HOUR,
        ),
        {2 * HOUR: (), 4 * HOUR: ("PetmoodOutOfDomain",), 5 * HOUR + 30: ()},
    ),
    Story(
        "drift for an hour",
        _one('petmood_drift_alert{bundle="abc"}', gauge((0, HOUR), (1, HOUR), (0, HOUR)), minutes=3 * HOUR),
        {HOUR - 1: (), HOUR + 30: ("PetmoodDrift",), 2 * HOUR + 30: ()},
    ),
    Story(
        "one refused model",
        _one(REFUSED, counter((0, HOUR), (1, 1), (0, HOUR)), minutes=121),
        {HOUR: (), HOUR + 5: ("PetmoodModelLoadRefused",), HOUR + 30: ()},
    ),
    Story(
        "one dropped row of the log",
        _one(DROPPED, counter((0, HOUR), (1, 1), (0, HOUR)), minutes=121),
        {HOUR: (), HOUR + 5: ("PetmoodLogRowsDropped",), HOUR + 30: ()},
    ),
    Story(
        "a log whose database is away for two hours",
        _one(SPOOLED, counter((0, HOUR), (10, 2 * HOUR), (0, HOUR)), minutes=4 * HOUR),
        {HOUR: (), HOUR + 25: (), HOUR + 40: ("PetmoodLogSpooling",), 3 * HOUR + 20: ()},
    ),
    Story(
        "a log whose database is away for ten minutes",
        _one(SPOOLED, counter((0, HOUR), (10, 10), (0, HOUR)), minutes=130),
        {HOUR + minute: () for minute in (5, 10, 20, 30, 50)},
    ),
    Story(
        "no metrics at all", {"up": "0+0x60"}, {4: (), 6: ("PetmoodMetricsAbsent",), HOUR: ("PetmoodMetricsAbsent",)}
    ),
    Story(
        "for two hours, photos are refused and paths unknown, but no request is answered",
        traffic([(10, 3 * HOUR), (0, 2 * HOUR), (10, HOUR)], [(0, 6 * HOUR)])
        | {'petmood_requests_total{method="POST",route="none",status="404"}': counter((10, 6 * HOUR))},
        {3 * HOUR: (), 4 * HOUR: (), 4 * HOUR + 10: ("PetmoodNoTraffic",), 5 * HOUR + 10: ()},
    ),
    Story(
        "a service that began half an hour ago, without a request",
        {PREDICT % status: "0+0x30" for status in (200, 500, 503)},
        {29: ()},
    ),
)


def rule_tests(stories: Sequence[Story], rules: Sequence[Rule], *, rules_file: str, evaluation: str) -> str:
    """Return a file for ``promtool test rules`` that inspects every rule at every given minute of every story."""
    tests: list[dict[str, Any]] = [
        {
            "name": story.name,
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in story.series.items()],
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": rule.name, "exp_alerts": _expected(rule, fires)}
                for minute, fires in story.fires.items()
                for rule in rules
            ],
        }
        for story in stories
    ]
    return yaml.safe_dump({"rule_files": [rules_file], "evaluation_interval": evaluation, "tests": tests}, width=1000)


def _expected(rule: Rule, fires: Sequence[str]) -> list[dict[str, Any]]:
    if rule.name not in fires:
        return []
    labels = {"severity": str(rule.severity)} | ({"bundle": "abc"} if rule.name == "PetmoodDrift" else {})
    notes = {"summary": rule.summary, "description": rule.meaning, "runbook": rule.runbook}
    return [{"exp_labels": labels, "exp_annotations": notes}]

"""Alert rules of the service, the one source of every generated file."""

from typing import Final

from petmood.monitoring.alerts.limits import BURN_WINDOWS, LIMITS, AlertLimits, BurnWindow
from petmood.monitoring.alerts.queries import (
    ONE_PHOTO,
    OTHER_ROUTES,
    PREDICTION_REQUESTS,
    abstention_share,
    answered,
    classified,
    counted,
    failed_share,
    latency,
    latency_requests,
    out_of_domain_share,
    overloads,
    predicted,
    queue_share,
    requested,
    unauthorized,
    valid,
)
from petmood.monitoring.alerts.rule import Rule, Severity
from petmood.monitoring.metric_names import DRIFT_ALERT, LOG_ROWS, MODEL_LOADS, REQUESTS, LoadResult, LogResult

__all__ = ["alert_rules"]

REFUSED: Final = f'result="{LoadResult.REFUSED}"'
DROPPED: Final = f'result="{LogResult.DROPPED}"'
SPOOLED: Final = f'result="{LogResult.SPOOLED}"'


def alert_rules(limits: AlertLimits = LIMITS) -> tuple[Rule, ...]:
    """Return all rules, those of a group in a row."""
    return (
        *(_burn(window, limits) for window in BURN_WINDOWS),
        _unauthorized(limits),
        *_latency(limits),
        *_saturation(limits),
        *_predictions(limits),
        *_operation(),
        *_traffic(),
    )


def _burn(window: BurnWindow, limits: AlertLimits) -> Rule:
    budget, rate = f"{limits.error_budget:g}", f"{window.rate:g}"
    share = f"{100 * window.rate * limits.error_budget:.2g}%"
    return Rule(
        name=f"PetmoodErrorBudgetBurn{window.name}",
        group="petmood-availability",
        severity=Severity.PAGE if window.pages else Severity.TICKET,
        expr=(
            f"{failed_share(window.long)} > {rate} * {budget}\n"
            f"and {failed_share(window.short)} > {rate} * {budget}\n"
            f"and {valid(window.long)} > {window.requests}"
        ),
        hold="0s",
        limit=(
            f"more than {share} of valid requests failed over {window.long} and over {window.short}, "
            f"of more than {window.requests}"
        ),
        summary=_burn_summary(window),
        meaning=(
            f"More than {share} of the requests for predictions got a 5xx, over {window.long} and over {window.short}. "
            f"The objective is {100 * limits.availability:g}% answered over 30 days."
        ),
        runbook=(
            "See petmood_errors_total by code: internal has a traceback in the log by request id; overloaded means too "
            "few processors; shutting_down means that instances end."
        ),
    )


def _burn_summary(window: BurnWindow) -> str:
    if window.rate == 1:
        return "More requests fail than the objective allows."
    return f"Requests fail {window.rate:g} times as often as the objective allows."


def _unauthorized(limits: AlertLimits) -> Rule:
    share, least = f"{unauthorized('30m')} / {requested('30m')}", f"{limits.unauthorized_requests}"
    return Rule(
        name="PetmoodUnauthorized",
        group="petmood-availability",
        severity=Severity.TICKET,
        expr=f"{share} > {limits.unauthorized:g}\nand {unauthorized('30m')} > {least}",
        hold="5m",
        limit=f"more than {100 * limits.unauthorized:g}% of requests, and {least}, refused with 401 or 403 over 30m",
        summary="Most requests are refused for their token or origin.",
        meaning="Clients send no token, a wrong one, or come from a page that is not allowed. They get no predictions.",
        runbook="See since when. Compare PETMOOD_TOKEN and PETMOOD_ORIGINS of the service with what its clients send.",
    )


def _latency(limits: AlertLimits) -> tuple[Rule, ...]:
    def rule(name: str, what: str, bound_s: float, routes: str, severity: Severity) -> Rule:
        number = latency_requests("10m", routes=routes)
        return Rule(
            name=name,
            group="petmood-latency",
            severity=severity,
            expr=f"{latency(0.99, '10m', routes=routes)} > {bound_s:g}\nand {number} > {limits.latency_requests}",
            hold="5m",
            limit=(
                f"99th percentile of answered {what} above {bound_s:g} s over 10m, "
                f"of more than {limits.latency_requests} requests"
            ),
            summary=f"One in a hundred {what} takes longer than {bound_s:g} s.",
            meaning=f"The 99th percentile of answered {what}, from the first to the last byte, is above the objective.",
            runbook=(
                "Compare the queue with the processors: a long queue means more load than threads. With a short queue, "
                "clients upload slowly or photos are large."
            ),
        )

    return (
        rule("PetmoodLatencyP99", "requests to POST /predict", limits.p99_s, ONE_PHOTO, Severity.PAGE),
        rule(
            "PetmoodLatencyP99OtherRoutes",
            "requests to batches, explanations and Vertex AI",
            limits.other_p99_s,
            OTHER_ROUTES,
            Severity.TICKET,
        ),
    )


def _saturation(limits: AlertLimits) -> tuple[Rule, ...]:
    return (
        Rule(
            name="PetmoodQueueSaturated",
            group="petmood-saturation",
            severity=Severity.TICKET,
            expr=f"{queue_share('5m')} > {limits.queue:g}",
            hold="1m",
            limit=f"a queue more than {100 * limits.queue:g}% full, averaged over 5m",
            summary="The queue of photos is almost full.",
            meaning="More photos arrive than are predicted. When the queue is full, requests get status 503.",
            runbook="Start more instances. If the traffic did not grow, see the duration of predictions by model.",
        ),
        Rule(
            name="PetmoodOverloaded",
            group="petmood-saturation",
            severity=Severity.PAGE,
            expr=f"{overloads('10m')} > {limits.overloads}",
            hold="0s",
            limit=f"more than {limits.overloads} requests or connections refused for overload in 10m",
            summary="Requests or connections are refused for overload.",
            meaning="Clients get status 503 and have to send their photos again. Refused connections count too.",
            runbook="See queue depth and open connections. Start more instances, or limit each client's rate.",
        ),
    )


def _predictions(limits: AlertLimits) -> tuple[Rule, ...]:
    return (
        Rule(
            name="PetmoodAbstentions",
            group="petmood-predictions",
            severity=Severity.TICKET,
            expr=f"{abstention_share('1h')} > {limits.abstentions:g}\nand {classified('1h')} > {limits.predictions}",
            hold="10m",
            limit=(
                f"more than {100 * limits.abstentions:g}% of predictions of a class below the threshold over 1h, "
                f"of more than {limits.predictions}"
            ),
            summary="The model abstains for most photos.",
            meaning="Most answers are below the confidence threshold, so users read that the model is not certain.",
            runbook="See which model is active and since when. Compare the photos with those of its training.",
        ),
        Rule(
            name="PetmoodOutOfDomain",
            group="petmood-predictions",
            severity=Severity.TICKET,
            expr=(
                f"{out_of_domain_share('1h')} > {limits.out_of_domain:g}\nand {predicted('1h')} > {limits.predictions}"
            ),
            hold="10m",
            limit=(
                f"more than {100 * limits.out_of_domain:g}% of predictions without a class over 1h, "
                f"of more than {limits.predictions}"
            ),
            summary="Many photos are not of the kind that the model was trained on.",
            meaning="These photos get no class. Either clients send other photos, or the model's rule is too strict.",
            runbook="See petmood_out_of_domain_total by reason. After a model change, roll back and compare.",
        ),
        Rule(
            name="PetmoodDrift",
            group="petmood-predictions",
            severity=Severity.TICKET,
            expr=f"max by (bundle) ({DRIFT_ALERT}) == 1",
            hold="0s",
            limit="three windows with drift in a row",
            summary="The photos have drifted away from the reference photos of the model.",
            meaning=(
                "Three windows of the prediction log in a row differ from the reference photos of the model (held out "
                "from training)."
            ),
            runbook="Open the drift report of the last window: it names the features that changed.",
        ),
    )


def _operation() -> tuple[Rule, ...]:
    return (
        Rule(
            name="PetmoodModelLoadRefused",
            group="petmood-operation",
            severity=Severity.TICKET,
            expr=f"{counted(MODEL_LOADS, REFUSED, '15m')} > 0",
            hold="0s",
            limit="any model refused in 15m",
            summary="A model was refused, and the previous one is still active.",
            meaning="A bundle could not be fetched, is incomplete, or does not reproduce its golden outputs.",
            runbook="Search the log for 'model rejected' or 'can't be fetched', then run petmood bundle verify.",
        ),
        Rule(
            name="PetmoodLogRowsDropped",
            group="petmood-operation",
            severity=Severity.TICKET,
            expr=f"{counted(LOG_ROWS, DROPPED, '15m')} > 0",
            hold="0s",
            limit="any row of the prediction log dropped in 15m",
            summary="The prediction log loses rows.",
            meaning="Drift and feedback are computed without these predictions. Answers to clients are not affected.",
            runbook="See whether the database can be reached and whether the disk of the spool is full.",
        ),
        Rule(
            name="PetmoodLogSpooling",
            group="petmood-operation",
            severity=Severity.TICKET,
            expr=f"{counted(LOG_ROWS, SPOOLED, '15m')} > 0",
            hold="30m",
            limit="rows of the prediction log went to the spool in every 15m",
            summary="The database of the prediction log is away for a long time.",
            meaning="Rows go to files until it is back. When the files have reached their limit, rows are dropped.",
            runbook="Search the log for 'rows go to the spool', which has the reason. See the disk of the spool, too.",
        ),
    )


def _traffic() -> tuple[Rule, ...]:
    requests = f"{REQUESTS}{{{PREDICTION_REQUESTS}}}"
    return (
        Rule(
            name="PetmoodMetricsAbsent",
            group="petmood-traffic",
            severity=Severity.PAGE,
            expr=f"absent({REQUESTS})",
            hold="5m",
            limit="no instance reports metrics for 5m",
            summary="No instance of the service reports metrics.",
            meaning="The service is down or can't be scraped. All other rules are blind as long as this one fires.",
            runbook="Query /readyz of an instance, then the targets page of Prometheus for the error of the scrape.",
        ),
        Rule(
            name="PetmoodNoTraffic",
            group="petmood-traffic",
            severity=Severity.TICKET,
            expr=f"{answered('1h')} == 0\nand count({requests} offset 1h) > 0",
            hold="5m",
            limit="no request for a prediction answered in 1h, by a service that ran before",
            summary="No request for a prediction is answered.",
            meaning=(
                "The service runs, but no request arrives, or none gets an answer. A load balancer, a name, a "
                "certificate or a token may be wrong."
            ),
            runbook=(
                "See petmood_requests_total by status, then send a photo to the public address. If it is answered, "
                "clients have stopped."
            ),
        ),
    )

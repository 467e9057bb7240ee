"""Rules: complete, distinct, and about metrics that exist."""

import re

from petmood.monitoring import metric_names
from petmood.monitoring.alerts.limits import AlertLimits
from petmood.monitoring.alerts.rule import Severity, seconds_of
from petmood.monitoring.alerts.rules import alert_rules

METRIC = re.compile(r"\bpetmood_\w+")
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def known() -> set[str]:
    """Return the names of all metrics."""
    values = [getattr(metric_names, name) for name in metric_names.__all__]
    return {value for value in values if isinstance(value, str)}


def test_every_subject_has_a_rule() -> None:
    assert [rule.name.removeprefix("Petmood") for rule in alert_rules()] == [
        *("ErrorBudgetBurnFast", "ErrorBudgetBurnMedium", "ErrorBudgetBurnSlow", "Unauthorized"),
        *("LatencyP99", "LatencyP99OtherRoutes", "QueueSaturated", "Overloaded"),
        *("Abstentions", "OutOfDomain", "Drift"),
        *("ModelLoadRefused", "LogRowsDropped", "LogSpooling", "MetricsAbsent", "NoTraffic"),
    ]


def test_every_metric_of_a_rule_is_one_that_is_counted() -> None:
    for rule in alert_rules():
        names = {SUFFIXES.sub("", name) for name in METRIC.findall(rule.expr)}
        assert names
        assert names <= known(), rule.name


def test_every_rule_says_what_it_means_and_what_to_inspect() -> None:
    for rule in alert_rules():
        for text in (rule.summary, rule.meaning, rule.runbook):
            assert text.endswith("."), rule.name
            assert len(text) > 20
            assert "|" not in text, "the table has columns"
            assert "{{" not in text, "Prometheus would fill it in"
        assert seconds_of(rule.hold) >= 0


def test_rules_of_a_group_stand_together() -> None:
    groups = [rule.group for rule in alert_rules()]
    assert groups == sorted(groups, key=groups.index)


def test_burn_rates_are_the_products_of_the_objective() -> None:
    fast, medium, slow = alert_rules(AlertLimits(availability=0.99))[:3]
    for rule, rate, windows in ((fast, "14.4", "1h 5m"), (medium, "6", "6h 30m"), (slow, "1", "3d 6h")):
        long, short = windows.split()
        assert rule.expr.count(f"> {rate} * 0.01") == 2
        assert rule.expr.count(f"[{long}]") == 3
        assert rule.expr.count(f"[{short}]") == 2
    assert (fast.severity, medium.severity, slow.severity) == (Severity.PAGE, Severity.PAGE, Severity.TICKET)
    assert "14%" in fast.limit


def test_limits_are_in_the_rules() -> None:
    limits = AlertLimits(
        p99_s=2.5,
        other_p99_s=5,
        unauthorized=0.44,
        unauthorized_requests=55,
        queue=0.5,
        overloads=7,
        abstentions=0.11,
        out_of_domain=0.22,
        predictions=33,
    )
    rules = {rule.name: rule.expr for rule in alert_rules(limits)}
    assert " > 2.5\n" in rules["PetmoodLatencyP99"]
    assert " > 5\n" in rules["PetmoodLatencyP99OtherRoutes"]
    assert " > 0.44\n" in rules["PetmoodUnauthorized"]
    assert rules["PetmoodUnauthorized"].endswith(" > 55")
    assert rules["PetmoodQueueSaturated"].endswith(" > 0.5")
    assert rules["PetmoodOverloaded"].endswith(" > 7")
    assert " > 0.11\n" in rules["PetmoodAbstentions"]
    assert " > 0.22\n" in rules["PetmoodOutOfDomain"]
    assert rules["PetmoodOutOfDomain"].endswith(" > 33")


def test_drift_is_from_the_photos_that_were_held_out() -> None:
    (rule,) = (one for one in alert_rules() if one.name == "PetmoodDrift")
    assert "the reference photos of the model (held out from training)" in rule.meaning
    assert "training photos" not in rule.meaning + rule.summary

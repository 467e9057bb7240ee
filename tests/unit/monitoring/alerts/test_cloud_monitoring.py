"""Policies of Cloud Monitoring, by the rules that the API states for their fields."""

import json
import re

from petmood.monitoring.alerts.cloud_monitoring import EVALUATION_S, policy, policy_text
from petmood.monitoring.alerts.rules import alert_rules

POLICY = {
    *("displayName", "documentation", "userLabels", "conditions", "combiner", "enabled", "severity", "alertStrategy"),
}
CONDITION = {
    *("query", "duration", "evaluationInterval", "ruleGroup", "alertRule", "labels", "disableMetricValidation"),
}
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
RULE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def test_every_policy_has_one_condition_with_the_query_of_its_rule() -> None:
    for rule in alert_rules():
        made = policy(rule)
        assert set(made) == POLICY
        (condition,) = made["conditions"]
        assert set(condition) == {"displayName", "conditionPrometheusQueryLanguage"}
        query = condition["conditionPrometheusQueryLanguage"]
        assert set(query) == CONDITION
        assert (query["query"], query["alertRule"], query["ruleGroup"]) == (rule.expr, rule.name, rule.group)


def test_fields_keep_to_the_limits_of_the_api() -> None:
    for rule in alert_rules():
        made = policy(rule)
        query = made["conditions"][0]["conditionPrometheusQueryLanguage"]
        assert re.fullmatch(r"\d+s", query["duration"])
        assert int(query["evaluationInterval"].removesuffix("s")) % 30 == 0
        assert RULE_NAME.fullmatch(query["alertRule"])
        assert made["severity"] in {"CRITICAL", "ERROR", "WARNING"}
        assert made["combiner"] == "OR"
        assert int(made["alertStrategy"]["autoClose"].removesuffix("s")) >= 1800
        assert len(made["documentation"]["content"].encode()) <= 8 * 1024
        assert len(made["documentation"]["subject"]) <= 255
        for name, value in (made["userLabels"] | query["labels"]).items():
            assert LABEL.fullmatch(name)
            assert LABEL.fullmatch(value)


def test_a_duration_of_minutes_is_written_in_seconds() -> None:
    latency = next(rule for rule in alert_rules() if rule.name == "PetmoodLatencyP99")
    condition = policy(latency)["conditions"][0]["conditionPrometheusQueryLanguage"]
    assert (condition["duration"], condition["evaluationInterval"]) == ("300s", f"{EVALUATION_S}s")


def test_the_text_is_the_policy_as_json() -> None:
    rule = alert_rules()[0]
    assert json.loads(policy_text(rule)) == policy(rule)

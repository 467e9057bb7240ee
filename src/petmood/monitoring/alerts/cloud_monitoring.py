"""Alert rules as alerting policies of Google Cloud Monitoring, with conditions in PromQL.

Format: ``projects.alertPolicies`` of the Cloud Monitoring API v3, as ``gcloud monitoring policies create
--policy-from-file`` reads it.
"""

import json
from typing import Any, Final

from petmood.monitoring.alerts.rule import Rule, Severity, seconds_of

__all__ = ["EVALUATION_S", "policy", "policy_text"]

EVALUATION_S: Final = 30
"""Seconds between two evaluations; the API accepts multiples of 30."""
AUTO_CLOSE_S: Final = 1800
"""Seconds without data after which an incident is closed; the API's least value."""
SEVERITIES: Final = {Severity.PAGE: "CRITICAL", Severity.TICKET: "WARNING"}


def policy(rule: Rule) -> dict[str, Any]:
    """Return the policy of one rule; notification channels belong to a project and are added there.

    The check that metrics exist is off, so that policies can be created before a service has reported anything.
    """
    condition = {
        "query": rule.expr,
        "duration": f"{seconds_of(rule.hold):g}s",
        "evaluationInterval": f"{EVALUATION_S}s",
        "ruleGroup": rule.group,
        "alertRule": rule.name,
        "labels": {"severity": rule.severity.value},
        "disableMetricValidation": True,
    }
    return {
        "displayName": rule.name,
        "documentation": {
            "subject": rule.summary,
            "content": f"{rule.meaning}\n\n**What to inspect first:** {rule.runbook}",
            "mimeType": "text/markdown",
        },
        "userLabels": {"service": "petmood", "severity": rule.severity.value},
        "conditions": [
            {"displayName": f"{rule.group}/{rule.name}", "conditionPrometheusQueryLanguage": condition},
        ],
        "combiner": "OR",
        "enabled": True,
        "severity": SEVERITIES[rule.severity],
        "alertStrategy": {"autoClose": f"{AUTO_CLOSE_S}s"},
    }


def policy_text(rule: Rule) -> str:
    """Return the policy of one rule as indented JSON."""
    return json.dumps(policy(rule), indent=2) + "\n"

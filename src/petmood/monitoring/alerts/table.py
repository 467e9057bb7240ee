"""Table of the alert rules in Markdown."""

from collections.abc import Sequence

from petmood.monitoring.alerts.rule import Rule

__all__ = ["rules_table"]


def rules_table(rules: Sequence[Rule]) -> str:
    """Return a table with a row for each rule: when it fires, who acts, what it means and what to inspect first."""
    rows = ["| alert | fires when | for | severity | meaning | inspect first |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{rule.name}` | {rule.limit} | {rule.hold} | {rule.severity} | {rule.meaning} | {rule.runbook} |"
        for rule in rules
    ]
    return "\n".join(rows) + "\n"

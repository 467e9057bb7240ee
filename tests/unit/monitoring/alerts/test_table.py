"""Table of the rules in Markdown."""

from petmood.monitoring.alerts.rules import alert_rules
from petmood.monitoring.alerts.table import rules_table


def test_every_rule_has_a_row_of_six_cells() -> None:
    header, line, *rows = rules_table(alert_rules()).splitlines()
    assert header.startswith("| alert | fires when | for | severity |")
    assert {row.count("|") for row in (header, line, *rows)} == {7}
    assert [row.split("`")[1] for row in rows] == [rule.name for rule in alert_rules()]

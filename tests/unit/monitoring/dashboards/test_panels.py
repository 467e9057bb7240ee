"""Panels: about metrics that exist, with the limits of the alert rules."""

import re

from petmood.monitoring.alerts.limits import AlertLimits
from petmood.monitoring.alerts.rules import alert_rules
from petmood.monitoring.dashboards.panels import panel_rows, shortened_row
from tests.unit.monitoring.alerts.test_rules import METRIC, SUFFIXES, known


def queries() -> list[str]:
    """Return the queries of all panels."""
    return [query.expr for row in panel_rows() for panel in row.panels for query in panel.queries]


def test_every_metric_of_a_panel_is_one_that_is_counted() -> None:
    for query in queries():
        names = {SUFFIXES.sub("", name) for name in METRIC.findall(query)}
        assert names
        assert names <= known(), query


def test_every_metric_of_a_rule_is_on_a_panel_as_well() -> None:
    shown = {SUFFIXES.sub("", name) for query in queries() for name in METRIC.findall(query)}
    alerting = {SUFFIXES.sub("", name) for rule in alert_rules() for name in METRIC.findall(rule.expr)}
    assert alerting <= shown


def test_titles_are_distinct_and_every_panel_has_a_text() -> None:
    panels = [panel for row in panel_rows() for panel in row.panels]
    assert len({panel.title for panel in panels}) == len(panels) > 10
    assert all(panel.text.endswith(".") for panel in panels)


def test_a_line_is_drawn_at_the_limit_of_the_rule() -> None:
    limits = AlertLimits(availability=0.99, p99_s=2.5, other_p99_s=5)
    lines = {panel.title: panel.threshold for row in panel_rows(limits) for panel in row.panels}
    assert lines["Failed share of valid requests"] == 0.01
    assert lines["Duration of POST /predict"] == 2.5
    assert lines["Duration of other predictions"] == 5


def test_a_rehearsal_has_the_same_panels_over_shorter_windows() -> None:
    row = panel_rows()[0]
    short = shortened_row(row, factor=300)
    assert [panel.title for panel in short.panels] == [panel.title for panel in row.panels]
    windows = {
        window for panel in short.panels for query in panel.queries for window in re.findall(r"\[(\w+)", query.expr)
    }
    assert {"1s", "2s", "12s", "72s"} <= windows

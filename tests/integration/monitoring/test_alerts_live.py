"""Alerts of a real Prometheus through a real Alertmanager to a web hook: fired by faults, once, and resolved."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from petmood.monitoring.alerts.rule import Severity
from petmood.monitoring.alerts.rules import alert_rules
from petmood.monitoring.dashboards.panels import panel_rows, shortened_row
from tests.support.alert_rehearsal import FACTOR, Rehearsal, rehearsal
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

NO_TRAFFIC, ABSENT = "PetmoodNoTraffic", "PetmoodMetricsAbsent"
CLEAN_S = 15.0
EVERY = {rule.name for rule in alert_rules()}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rehearsal, dict[str, Any]]]:
    """Play the story: a clean time, every fault at once, recovery, no traffic, no metrics; yield what was noted."""
    with rehearsal(tmp_path_factory.mktemp("alerts")) as found:
        noted: dict[str, Any] = {"began": time.time()}
        time.sleep(CLEAN_S)
        noted["clean"] = (found.firing(), list(found.received))
        faults = EVERY - {NO_TRAFFIC, ABSENT}
        found.service.break_down()
        found.wait_for("firing", faults)
        found.service.recover()
        found.wait_for("resolved", faults)
        wait_until(lambda: not found.firing(), within_s=300, every_s=0.2, what="no alert")
        found.service.load.answered = found.service.load.confident = 0
        found.wait_for("firing", {NO_TRAFFIC})
        found.service.load.answered = 50
        found.wait_for("resolved", {NO_TRAFFIC})
        found.service.is_up = False
        found.wait_for("firing", {ABSENT})
        found.service.is_up = True
        found.wait_for("resolved", {ABSENT})
        noted["ended"] = time.time()
        yield found, noted


def test_a_clean_service_is_silent(played: tuple[Rehearsal, dict[str, Any]]) -> None:
    assert played[1]["clean"] == (set(), [])


def test_every_rule_fires_and_resolves_and_is_received_once(played: tuple[Rehearsal, dict[str, Any]]) -> None:
    """Once for each time that it began to fire: on a busy machine a scrape may be missed, and an alert begin twice."""
    found, _ = played
    assert {name for name, _ in found.alerts("firing")} == EVERY
    assert {name for name, _ in found.alerts("resolved")} == EVERY
    assert {incident: count for incident, count in Counter(found.alerts("firing")).items() if count > 1} == {}


def test_a_page_and_a_ticket_reach_different_receivers_with_the_runbook(
    played: tuple[Rehearsal, dict[str, Any]],
) -> None:
    rules = {rule.name: rule for rule in alert_rules()}
    for message in played[0].received:
        for alert in message["alerts"]:
            rule = rules[alert["labels"]["alertname"]]
            assert message["path"] == ("/pages" if rule.severity == Severity.PAGE else "/tickets")
            assert alert["annotations"]["runbook"] == rule.runbook


def test_every_query_of_the_dashboard_returns_what_was_recorded(played: tuple[Rehearsal, dict[str, Any]]) -> None:
    found, noted = played
    empty = []
    for row in panel_rows():
        for panel in shortened_row(row, factor=FACTOR).panels:
            for query in panel.queries:
                window = {"start": noted["began"], "end": noted["ended"], "step": "1s"}
                series = found.query("query_range", query=query.expr, **window)["result"]
                values = [float(value) for one in series for _, value in one["values"]]
                if not any(math.isfinite(value) for value in values):
                    empty.append(f"{panel.title}: {query.expr}")
    assert empty == []

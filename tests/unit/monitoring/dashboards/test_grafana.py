"""Grafana dashboard: every panel with its queries, on the schema of the pinned SDK."""

import json
import sys
from typing import Any

import pytest

from petmood.core.errors import MissingDependency
from petmood.monitoring.dashboards.grafana import dashboard_text
from petmood.monitoring.dashboards.panels import panel_rows


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    found: dict[str, Any] = json.loads(dashboard_text(panel_rows()))
    return found


def test_every_panel_has_its_queries_below_the_title_of_its_row() -> None:
    wanted = [
        item
        for row in panel_rows()
        for item in ((row.title, []), *((panel.title, [query.expr for query in panel.queries]) for panel in row.panels))
    ]
    assert [
        (one["title"], [query["expr"] for query in one.get("targets", [])]) for one in dashboard()["panels"]
    ] == wanted


def test_the_schema_is_that_of_grafana_11_and_ids_are_distinct() -> None:
    """The oldest version of the SDK, pip's default, writes an older schema."""
    found = dashboard()
    assert found["schemaVersion"] == 41
    ids = [panel["id"] for panel in found["panels"]]
    assert len(ids) == len(set(ids))
    assert 0 not in ids


def test_panels_query_the_data_source_that_is_chosen_on_the_page() -> None:
    found = dashboard()
    (variable,) = found["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    charts = [panel for panel in found["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in charts} == {"${datasource}"}
    assert all(len({query["refId"] for query in panel["targets"]}) == len(panel["targets"]) for panel in charts)


def test_panels_stand_beside_each_other_without_overlap() -> None:
    cells = set[tuple[int, int]]()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in own) < 24
        assert not cells & own
        cells |= own


def test_a_limit_is_drawn_as_a_line() -> None:
    (latency,) = [panel for panel in dashboard()["panels"] if panel["title"] == "Duration of POST /predict"]
    defaults = latency["fieldConfig"]["defaults"]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 1.0]


def test_without_the_sdk_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "grafana_foundation_sdk"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    with pytest.raises(MissingDependency, match=r"petmood\[dashboards\]"):
        dashboard_text(panel_rows())

"""Grafana dashboard of the service, built with Grafana's Foundation SDK for schema 41 (Grafana 11.6)."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

from petmood.core.extras import require
from petmood.monitoring.dashboards.panels import Panel, Row

__all__ = ["UID", "dashboard_text"]

UID: Final = "petmood"
HEIGHT: Final = 8
SPAN: Final = 12
"""Half the width of the page, which has 24 columns."""
SOURCE: Final = "${datasource}"
"""The data source that is chosen at the top of the page."""


def dashboard_text(rows: Sequence[Row]) -> str:
    """Return the dashboard as the JSON that Grafana imports.

    Raises:
        MissingDependency: the Foundation SDK is not installed.
    """
    dashboard = _builders("dashboard")
    page = (
        dashboard.Dashboard("petmood")
        .uid(UID)
        .description("Objectives, load, predictions and models of a petmood service.")
        .tags(["petmood"])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    numbers = itertools.count(1)
    for row in rows:
        page.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            page.with_panel(_built(panel).id(next(numbers)))
    encoder = require("grafana_foundation_sdk.cog.encoder", extra="dashboards").JSONEncoder(sort_keys=True, indent=2)
    return str(encoder.encode(page.build())) + "\n"


def _builders(name: str) -> Any:  # noqa: ANN401 - a module
    return require(f"grafana_foundation_sdk.builders.{name}", extra="dashboards")


def _built(panel: Panel) -> Any:  # noqa: ANN401 - the SDK's builder
    models = require("grafana_foundation_sdk.models.dashboard", extra="dashboards")
    built = (
        _builders("timeseries")
        .Panel()
        .title(panel.title)
        .description(panel.text)
        .unit(panel.unit)
        .min(0)
        .datasource(models.DataSourceRef(type_val="prometheus", uid=SOURCE))
        .height(HEIGHT)
        .span(SPAN)
    )
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        built.with_target(
            _builders("prometheus").Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend)
        )
    if panel.threshold is not None:
        steps = [
            models.Threshold(value=None, color="green"),
            models.Threshold(value=panel.threshold, color="red"),
        ]
        common = require("grafana_foundation_sdk.models.common", extra="dashboards")
        built.thresholds(_builders("dashboard").ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        style = _builders("common").GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        built.thresholds_style(style)
    return built

"""Names of metrics: each once, and each counted by the service that is in this repository."""

from starlette.testclient import TestClient

from petmood.inference.fake import FakePredictor
from petmood.monitoring import metric_names
from petmood.monitoring.metric_names import DRIFT_ALERT, DRIFT_WINDOWS
from petmood.serving.app import create_app

ELSEWHERE = {DRIFT_ALERT, DRIFT_WINDOWS}
"""Metrics of the drift API."""


def declared() -> list[str]:
    """Return all names of metrics."""
    values = [getattr(metric_names, name) for name in metric_names.__all__]
    return [value for value in values if isinstance(value, str) and value.startswith("petmood_")]


def test_no_name_is_declared_twice() -> None:
    assert len(declared()) == len(set(declared())) > 15


def test_every_name_is_on_the_page_of_a_running_service() -> None:
    with TestClient(create_app(FakePredictor())) as client:
        rows = client.get("/metrics").text.splitlines()
    page = {row.split()[2] for row in rows if row.startswith("# TYPE petmood_")}
    assert page - ELSEWHERE == set(declared()) - ELSEWHERE

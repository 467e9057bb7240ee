"""Tests of the application factory and the common error format."""

from collections.abc import Callable
from typing import Any

import pytest

from petmood.core.errors import BundleError
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.settings import Settings
from tests.support.networks import tiny_bundle


def test_making_an_app_starts_nothing() -> None:
    app = create_app(FakePredictor(), settings=Settings(threads=1))
    assert not app.state.service.workers.alive


def test_workers_live_as_long_as_the_app_runs(served: Callable[..., Any]) -> None:
    app = served(threads=2)
    assert app.service.workers.alive
    app.client.__exit__(None, None, None)
    assert not app.service.workers.alive


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/model", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_reported_in_the_form_of_every_refusal(
    served: Callable[..., Any], method: str, path: str, status: int, code: str
) -> None:
    app = served()
    response = app.client.request(method, path, headers={"x-request-id": "r"})
    assert (response.status_code, response.json()["code"], response.json()["request_id"]) == (status, code, "r")
    assert ("allow" in response.headers) == (status == 405)
    assert app.counted(f'petmood_errors_total{{code="{code}"}}') == 1


def test_bundles_are_opened_with_the_services_own_limits(tmp_path_factory: Any) -> None:  # noqa: ANN401 - pytest's
    bundle = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")
    service = create_app(FakePredictor(), settings=Settings(file_mb=1)).state.service
    predictor = service.open_model(bundle.folder)
    assert predictor.limits.file_bytes == 1_000_000
    with pytest.raises(BundleError):
        service.open_model(bundle.folder / "nothing")


def test_a_service_that_was_never_asked_has_every_count_that_an_alert_evaluates(served: Callable[..., Any]) -> None:
    page = served(queue=9, vertex_predict_route="/v1/answer").client.get("/metrics").text.splitlines()
    for route in ("/predict", "/predict/batch", "/explain", "/v1/answer"):
        for status in (200, 500, 503):
            assert f'petmood_requests_total{{method="POST",route="{route}",status="{status}"}} 0.0' in page
    assert 'petmood_errors_total{code="not_found"} 0.0' in page
    assert 'petmood_predictions_total{label="happy"} 0.0' in page
    assert "petmood_queue_capacity 9.0" in page

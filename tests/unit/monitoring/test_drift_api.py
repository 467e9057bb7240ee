"""Tests of the drift API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from petmood.core.bundle import Bundle
from petmood.core.errors import LogUnavailable, RegistryError
from petmood.monitoring import drift_api as module
from petmood.monitoring.drift.monitor import DriftMonitor
from petmood.monitoring.drift.tester import DriftTester, WindowResult
from petmood.monitoring.drift_api import create_drift_app
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from petmood.reports.drift import drift_page
from tests.support.drifting import log_photos, new_log
from tests.support.images import jpeg, photo_like
from tests.support.waiting import wait_until


def page(tester: DriftTester, window: WindowResult) -> str:
    """Return a page that names its window."""
    return f"<p>{window.result.status} of {len(tester.reference)}</p>"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return an empty log."""
    return new_log(tmp_path)


@pytest.fixture
def client(shared_bundle: Bundle, engine: Engine) -> Any:  # noqa: ANN401 - a generator of a client
    """Return a client of an app that looks at the log all the time."""
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    with TestClient(create_drift_app(monitor, engine, report=page, every_s=0.05)) as opened:
        yield opened
    engine.dispose()


def windows(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/drift").json()["bundles"][0]["windows"]
    return found


def test_dark_photos_become_an_alert_in_every_form(client: TestClient, shared_bundle: Bundle, engine: Engine) -> None:
    sha256, version = shared_bundle.sha256, shared_bundle.manifest.version
    assert client.get("/drift/report").status_code == 404
    assert f'petmood_drift_alert{{bundle="demo {version}"}} 0.0' in client.get("/metrics").text
    log_photos(engine, shared_bundle, 150, darkened=True)
    wait_until(lambda: len(windows(client)) == 3)
    state = client.get("/drift").json()["bundles"][0]
    assert (state["alert"], state["in_a_row"], state["window_rows"], state["reference_photos"]) == (True, 3, 50, 60)
    assert [one["status"] for one in state["windows"]] == ["drift"] * 3
    assert "brightness is lower" in state["windows"][0]["sentence"]
    metrics = client.get("/metrics").text
    assert f'petmood_drift_alert{{bundle="demo {version}"}} 1.0' in metrics
    assert 'petmood_drift_windows_total{status="drift"} 3.0' in metrics
    assert 'petmood_drift_windows_total{status="ok"} 0.0' in metrics
    assert client.get("/drift/report", params={"bundle": sha256[:8]}).text == "<p>drift of 60</p>"
    assert client.get("/stats").json()["bundles"][0]["rows"] == 150
    assert client.get("/stats").json()["bundles"][0]["monitored"] is True
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_request_that_was_deleted_is_named_no_more_and_no_kept_photo_is_shown(
    shared_bundle: Bundle, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    log_photos(engine, shared_bundle, 50, darkened=True)
    monitor.update(engine)
    window = monitor.bundles[0].last
    assert window is not None
    deleted, *others = [key.request_id for key in window.result.typical]
    photos = KeptPhotos(tmp_path / "log.db.photos")
    photos.create(days=30)
    for name in (deleted, *others):
        photos.write(PhotoKey(name), jpeg(photo_like(64, 48)))
    client = TestClient(create_drift_app(monitor, engine, report=drift_page))  # its thread is not started
    for routes in ("/drift", "/drift/report"):
        assert deleted in client.get(routes).text
    LogStore(engine).delete_requests([deleted])
    for routes in ("/drift", "/drift/report"):
        text = client.get(routes).text
        assert (f'{deleted}"' in text, f"{deleted}<" in text) == (False, False)
        assert all(name in text for name in others)
    assert "data:image/jpeg" not in client.get("/drift/report").text

    def away(*_: object) -> set[PhotoKey]:
        raise LogUnavailable("The prediction log can't be used: away")

    monkeypatch.setattr(module, "logged_keys", away)
    assert "request-" not in client.get("/drift/report").text
    assert windows(client)[0]["typical"] == []
    engine.dispose()


def test_an_unknown_bundle_is_not_found(client: TestClient) -> None:
    found = client.get("/drift/report", params={"bundle": "zzz"})
    assert (found.status_code, found.json()) == (404, {"detail": "Unknown bundle 'zzz'."})


def test_a_database_that_is_away_is_told_and_the_thread_continues(
    client: TestClient, shared_bundle: Bundle, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> Callable[..., object]:
        raise LogUnavailable("The prediction log can't be used: away")

    with monkeypatch.context() as patched:
        patched.setattr(DriftMonitor, "update", away)
        patched.setattr(module, "rows_by_bundle", away)
        wait_until(lambda: client.get("/healthz").status_code == 503)
        assert client.get("/healthz").json() == {"status": "The prediction log can't be used: away"}
        assert client.get("/stats").status_code == 503
    log_photos(engine, shared_bundle, 50)
    wait_until(lambda: client.get("/healthz").status_code == 200)
    wait_until(lambda: len(windows(client)) == 1)


def test_a_registry_that_is_away_does_not_stop_the_tests_of_the_log(shared_bundle: Bundle, engine: Engine) -> None:
    def away() -> list[DriftTester]:
        raise RegistryError("The registry can't be reached.")

    monitor = DriftMonitor([DriftTester(shared_bundle)], size=50)
    log_photos(engine, shared_bundle, 50)
    with TestClient(create_drift_app(monitor, engine, report=page, every_s=0.05, testers=away)) as opened:
        wait_until(lambda: len(windows(opened)) == 1)
        said = {"status": "The registry can't be reached."}
        wait_until(lambda: opened.get("/healthz").json() == said)  # it is set after the update that tests the window
    engine.dispose()

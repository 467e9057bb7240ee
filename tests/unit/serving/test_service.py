"""Tests of the shared service state: readiness, and the log of its predictions."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import RowMapping
from starlette.testclient import TestClient

from petmood.core.errors import ConfigError
from petmood.core.image import load
from petmood.core.image_statistics import STATISTICS, statistics_of
from petmood.core.prediction import Measured, Prediction
from petmood.inference.base import Answer
from petmood.inference.fake import FakePredictor
from petmood.inference.load import load_bundle
from petmood.monitoring.prediction_log.database import migrate
from petmood.serving.app import create_app
from petmood.serving.settings import Settings, read_settings
from tests.support.logged import logged_rows, sqlite
from tests.support.networks import tiny_bundle
from tests.support.waiting import wait_until

ROWS = "petmood_prediction_log_rows_total"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny bundle."""
    return tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder


@pytest.fixture
def logging(served: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that starts an application with a log in a folder."""

    def start(**given: Any) -> Any:  # noqa: ANN401 - what ``served`` takes and returns
        spool = str(tmp_path / "spool")
        return served(prediction_log=f"sqlite:///{tmp_path}/log.db", prediction_log_spool=spool, **given)

    return start


def logged(folder: Path) -> list[RowMapping]:
    """Return all rows of a log."""
    engine = sqlite(folder)
    found = logged_rows(engine)
    engine.dispose()
    return found


def wait_for_rows(app: Any, count: int) -> None:  # noqa: ANN401 - a running application of the fixture
    """Wait until so many rows are written."""
    wait_until(lambda: app.counted(f'{ROWS}{{result="written"}}') == count)


def test_a_prediction_is_logged_under_its_request_id(logging: Callable[..., Any], photo: bytes, tmp_path: Path) -> None:
    app = logging()
    body = app.client.post("/predict", content=photo, headers={"x-request-id": "abc"}).json()
    wait_for_rows(app, 1)
    (found,) = logged(tmp_path)
    assert found["request_id"] == "abc"
    assert found["label"] == body["label"]
    assert np.frombuffer(found["probabilities"], "<f4") == pytest.approx(list(body["probabilities"].values()))
    assert found["bundle"] == body["model"]["sha256"]


def test_each_photo_of_a_batch_has_its_position_in_the_request(
    logging: Callable[..., Any], photo: bytes, tmp_path: Path
) -> None:
    app = logging()
    parts = [("photo", photo), ("photo", b"no photo"), ("photo", photo), ("photo", b"")]
    app.client.post("/predict/batch", files=parts, headers={"x-request-id": "abc"})
    wait_for_rows(app, 2)
    engine = sqlite(tmp_path)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT request_id, position FROM predictions ORDER BY position").all()
    engine.dispose()
    assert [tuple(one) for one in rows] == [("abc", 0), ("abc", 2)]


def test_instances_of_vertex_ai_are_logged(
    logging: Callable[..., Any], photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/vertex")
    app = logging()
    encoded = base64.b64encode(photo).decode()
    assert app.client.post("/vertex", json={"instances": [{"b64": encoded}] * 2}).status_code == 200
    wait_for_rows(app, 2)
    assert len(logged(tmp_path)) == 2


def test_refused_photos_and_explanations_are_not_logged(logging: Callable[..., Any], photo: bytes) -> None:
    app = logging()
    assert app.client.post("/predict", content=b"no photo").status_code == 415
    assert app.client.post("/explain", content=photo).status_code == 200
    app.client.post("/predict", content=photo)
    wait_for_rows(app, 1)


def test_the_end_of_a_service_writes_what_is_queued(photo: bytes, tmp_path: Path) -> None:
    settings = Settings(
        threads=1,
        prediction_log=SecretStr(f"sqlite:///{tmp_path}/log.db"),
        prediction_log_spool=str(tmp_path / "spool"),
    )
    with TestClient(create_app(FakePredictor(), settings=settings)) as client:
        for _ in range(20):
            client.post("/predict", content=photo)
    assert len(logged(tmp_path)) == 20


class Measuring(FakePredictor):
    """Predictor that measures photos."""

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return predictions with statistics and an embedding."""
        measured = Measured((0.1, 0.2, 0.3, 0.4), np.array([0.5, 1.5], np.float32))
        found = super().predict_batch(photos)
        return [replace(one, measured=measured) if isinstance(one, Prediction) else one for one in found]


def test_what_was_measured_is_logged_and_in_no_response(
    logging: Callable[..., Any], photo: bytes, tmp_path: Path
) -> None:
    app = logging(predictor=Measuring())
    body = app.client.post("/predict", content=photo).json()
    assert not {"measured", "statistics", "embedding"} & set(body)
    wait_for_rows(app, 1)
    (found,) = logged(tmp_path)
    assert [found[name] for name in STATISTICS] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert np.frombuffer(found["embedding"], "<f2").tolist() == [0.5, 1.5]


def test_every_result_is_counted_from_zero(served: Callable[..., Any]) -> None:
    text = served().service.metrics.render().decode()
    for result in ("written", "spooled", "repeated", "dropped"):
        assert f'{ROWS}{{result="{result}"}} 0.0' in text


def test_a_bundle_is_loaded_to_measure_only_with_a_log(
    served: Callable[..., Any], logging: Callable[..., Any], bundle: Path, photo: bytes
) -> None:
    for start, measures in ((served, False), (logging, True)):
        predictor = start().service.open_model(bundle)
        (found,) = predictor.predict_batch([photo])
        assert (found.measured is not None) == measures


def test_the_statistics_are_those_of_the_networks_input(bundle: Path, photo: bytes) -> None:
    predictor = load_bundle(bundle, measures=True)
    found = predictor.predict(photo)
    assert found.measured is not None
    assert found.measured.statistics == statistics_of(load(photo, predictor.bundle.manifest.image).pixels)
    assert found.measured.embedding is not None
    assert found.measured.embedding.shape == (640,)
    assert found.measured.residual is not None
    assert found.measured.residual > 0
    assert load_bundle(bundle).predict(photo).measured is None
    assert found == load_bundle(bundle).predict(photo)


@pytest.mark.parametrize(
    ("address", "message"),
    [("mysql://me:secret@db/x", "Expected sqlite:///FILE"), ("sqlite:////none/log.db", "folder to exist")],
)
def test_a_log_that_cannot_be_is_refused_before_the_start(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        create_app(FakePredictor(), settings=read_settings(prediction_log=address))
    assert "secret" not in str(refused.value)


def test_a_service_is_unready_for_a_reason() -> None:
    service = create_app(FakePredictor(), settings=Settings(threads=1, file_mb=2)).state.service
    assert service.readiness_failure() == "worker_died"  # they aren't started yet
    service.start()
    assert service.readiness_failure() is None
    service.drain.begin()
    assert service.readiness_failure() == "shutting_down"
    service.stop()
    assert service.file_bytes == 2_000_000


def test_a_log_of_a_newer_schema_is_refused_before_the_start(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE petmood_log_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigError, match="a newer petmood wrote it"):
        create_app(FakePredictor(), settings=read_settings(prediction_log=f"sqlite:///{tmp_path}/log.db"))


def test_the_size_of_the_spool_is_that_of_the_settings(tmp_path: Path) -> None:
    settings = read_settings(
        prediction_log=f"sqlite:///{tmp_path}/log.db",
        prediction_log_spool=str(tmp_path / "spool"),
        prediction_log_spool_mb=2,
    )
    log = create_app(FakePredictor(), settings=settings).state.service.log
    assert log._spool.most_bytes == 2_000_000


def kept(folder: Path) -> dict[str, bytes]:
    """Return the kept photos beside a log by the names of their files."""
    return {path.name: path.read_bytes() for path in (folder / "log.db.photos").glob("*.photo")}


def test_photos_are_kept_as_uploaded_only_when_asked(logging: Callable[..., Any], photo: bytes, tmp_path: Path) -> None:
    app = logging()
    app.client.post("/predict", content=photo, headers={"x-request-id": "before"})
    wait_for_rows(app, 1)
    assert not (tmp_path / "log.db.photos").exists()
    app.client.__exit__(None, None, None)
    app = logging(keep_photos_days=30)
    app.client.post("/predict", content=photo, headers={"x-request-id": "abc"})
    parts = [("photo", photo), ("photo", b"no photo"), ("photo", photo)]
    app.client.post("/predict/batch", files=parts, headers={"x-request-id": "batch"})
    wait_for_rows(app, 3)
    assert kept(tmp_path) == dict.fromkeys(["0-abc.photo", "0-batch.photo", "2-batch.photo"], photo)
    assert app.counted('petmood_kept_photos_total{result="kept"}') == 3


def test_explained_and_refused_photos_are_not_kept(logging: Callable[..., Any], photo: bytes, tmp_path: Path) -> None:
    app = logging(keep_photos_days=1)
    assert app.client.post("/explain", content=photo, headers={"x-request-id": "e"}).status_code == 200
    assert app.client.post("/predict", content=photo[:300], headers={"x-request-id": "r"}).status_code == 422
    app.client.post("/predict", content=photo, headers={"x-request-id": "p"})
    wait_for_rows(app, 1)
    assert list(kept(tmp_path)) == ["0-p.photo"]


def test_the_end_of_a_service_writes_the_photos_that_are_queued(photo: bytes, tmp_path: Path) -> None:
    settings = Settings(
        threads=1,
        prediction_log=SecretStr(f"sqlite:///{tmp_path}/log.db"),
        prediction_log_spool=str(tmp_path / "spool"),
        keep_photos_days=1,
    )
    with TestClient(create_app(FakePredictor(), settings=settings)) as client:
        for _ in range(20):
            client.post("/predict", content=photo)
    assert len(kept(tmp_path)) == 20

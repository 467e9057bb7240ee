"""Tests of the review's web app."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import Engine

from petmood.monitoring.feedback import review_app
from petmood.monitoring.feedback.records import REVIEWER
from petmood.monitoring.feedback.review_app import create_review_app
from petmood.monitoring.feedback.store import read_feedback
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.images import jpeg, photo_like
from tests.support.logged import row, sqlite


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return a log of three predictions."""
    made = sqlite(tmp_path)
    LogStore(made).insert([*(row(number) for number in range(3)), row(5, photo_sha256="0" * 64)])
    yield made
    made.dispose()


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> TestClient:
    """Return a client of a review with two valid photos, one that is damaged, and one of another request."""
    photos = KeptPhotos(tmp_path / "photos")
    photos.create(days=30)
    for number in range(2):
        photos.write(PhotoKey(f"request-{number}"), jpeg(photo_like(64, 48, seed=number)))
    photos.write(PhotoKey("request-2"), b"damaged")
    photos.write(PhotoKey("request-5"), b"of a later request with the same id")
    return TestClient(create_review_app(engine, photos), base_url="http://127.0.0.1")


def test_a_mark_is_saved_replaced_and_taken_back(client: TestClient, engine: Engine) -> None:
    assert (client.get("/queue").json()["waiting"], client.get("/queue").json()["reviewed"]) == (4, 0)
    assert client.put("/marks/0/request-1", json={"label": "angry"}).json() == {"label": "angry"}
    assert client.put("/marks/0/request-1", json={"label": "happy"}).json() == {"label": "happy"}
    (given,) = read_feedback(engine)
    assert (given.feedback.visitor, given.right_label, given.feedback.key) == (REVIEWER, "happy", PhotoKey("request-1"))
    assert given.feedback.chosen in {"random", "least_confident"}
    found = client.get("/queue").json()
    assert (found["waiting"], found["reviewed"]) == (3, 1)
    assert "request-1" not in {one["request_id"] for one in found["photos"]}
    assert client.delete("/marks/0/request-1").json() == {"deleted": True}
    assert client.delete("/marks/0/request-1").json() == {"deleted": False}
    assert read_feedback(engine) == []


def test_a_mark_of_a_prediction_that_is_deleted_meanwhile_is_not_called_saved(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(key: PhotoKey) -> str:
        LogStore(engine).delete_requests([key.request_id])
        return "random"

    monkeypatch.setattr(review_app, "choice_of", deleted)
    assert client.put("/marks/0/request-1", json={"label": "angry"}).status_code == 404
    assert read_feedback(engine) == []


def test_a_photo_is_a_jpeg_of_its_own(client: TestClient) -> None:
    found = client.get("/photos/0/request-0")
    assert (found.headers["content-type"], found.headers["cache-control"]) == ("image/jpeg", "no-store")
    with Image.open(io.BytesIO(found.content)) as image:
        assert image.size == (64, 48)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/photos/0/request-9", None, 404),
        ("GET", "/photos/0/request-5", None, 404),
        ("GET", "/photos/0/..%2Flog.db", None, 404),
        ("GET", "/photos/x/request-0", None, 422),
        ("GET", "/photos/0/request-2", None, 422),
        ("PUT", "/marks/0/request-9", {"label": "happy"}, 404),
        ("PUT", "/marks/0/request-0", {"label": "hungry"}, 422),
        ("PUT", "/marks/0/request-0", {}, 422),
    ],
)
def test_what_is_not_there_or_not_valid_is_refused(
    client: TestClient, engine: Engine, method: str, path: str, body: dict[str, str] | None, status: int
) -> None:
    assert client.request(method, path, json=body).status_code == status
    assert read_feedback(engine) == []


def test_other_sites_can_neither_read_nor_change(client: TestClient, engine: Engine) -> None:
    assert client.get("/queue", headers={"host": "evil.example"}).status_code == 400
    sent = client.put("/marks/0/request-0", json={"label": "happy"}, headers={"sec-fetch-site": "cross-site"})
    assert sent.status_code == 403
    assert read_feedback(engine) == []


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("review.js", "review.css"):
        assert name in page.text
        assert client.get(f"/{name}").status_code == 200
        assert "http" not in client.get(f"/{name}").text


def test_a_database_that_is_away_is_told(client: TestClient, engine: Engine, tmp_path: Path) -> None:
    engine.dispose()
    (tmp_path / "log.db").write_bytes(b"no database" * 1000)
    found = client.get("/queue")
    assert found.status_code == 503
    assert "can't be used" in found.json()["detail"]

"""Cloud function in a real functions-framework process, from a main.py of one line, as it is deployed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from petmood.core.schemas import PredictionResponse
from petmood.monitoring.prediction_log.database import open_log
from petmood.monitoring.prediction_log.spool import rows_in
from tests.support.e2e_servers import PROGRAMS, running
from tests.support.images import jpeg, photo_like
from tests.support.logged import request_ids
from tests.support.networks import tiny_bundle
from tests.support.wire import upgrading_post

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

PHOTO = jpeg(photo_like(320, 240))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle and a function's main.py."""
    made = tmp_path_factory.mktemp("function")
    tiny_bundle(made / "bundle")
    (made / "main.py").write_text("from petmood.serving.integrations.functions import predict\n", "utf-8")
    return made


@contextmanager
def started(place: Path, **env: str) -> Iterator[httpx.Client]:
    """Run functions-framework with the function until the end of the block."""
    words = [PROGRAMS / "functions-framework", "--target", "predict", "--source", place / "main.py"]
    words += ["--host", "127.0.0.1", "--port", "{port}"]
    given = {"PETMOOD_BUNDLE": str(place / "bundle"), **env}
    with running([str(word) for word in words], home=place / "home", ready="/readyz", env=given) as client:
        yield client


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[httpx.Client]:
    """Start functions-framework with the function."""
    with started(place) as client:
        yield client


def test_many_photos_at_once_get_the_same_answer_from_the_first_on(served: httpx.Client) -> None:
    def ask(_: int) -> httpx.Response:
        return served.post("/", files={"photo": ("a.jpg", PHOTO)})

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(ask, range(16)))
    assert [one.status_code for one in got] == [200] * 16
    answers = [PredictionResponse.model_validate_json(one.content) for one in got]
    assert len({answer.probability for answer in answers}) == 1
    assert len({answer.request_id for answer in answers}) == 16


def test_a_raw_body_is_answered_with_a_length_and_in_pieces(served: httpx.Client) -> None:
    headers = {"Content-Type": "image/jpeg"}
    pieces = (PHOTO[start : start + 1000] for start in range(0, len(PHOTO), 1000))
    assert served.post("/predict", content=PHOTO, headers=headers).status_code == 200
    assert served.post("/predict", content=pieces, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"%PDF-1.7", 415, "unsupported_format"),
        (PHOTO[:2000], 422, "corrupt_image"),
        (bytes(50_000_000), 413, "too_large"),
    ],
    ids=["empty", "pdf", "half", "50 MB"],
)
def test_a_bad_photo_gets_its_status_and_code(served: httpx.Client, photo: bytes, status: int, code: str) -> None:
    got = served.post("/", files={"photo": ("a.jpg", photo)})
    assert (got.status_code, got.json()["code"]) == (status, code)
    assert served.post("/", files={"photo": ("a.jpg", PHOTO)}).status_code == 200


def test_a_client_that_offers_http_2_gets_its_answer(served: httpx.Client) -> None:
    said = upgrading_post(served.base_url.port or 0, PHOTO, path="/")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"label"' in said


def test_a_photo_larger_than_the_framework_s_own_limit_is_answered(served: httpx.Client) -> None:
    padded = PHOTO + bytes(20_000_000)
    assert served.post("/", files={"photo": ("a.jpg", padded)}).status_code == 200


def test_another_method_is_refused_with_the_one_to_use(served: httpx.Client) -> None:
    got = served.get("/predict")
    assert (got.status_code, got.json()["code"], got.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_an_instance_that_ends_has_written_every_answered_request(place: Path, tmp_path: Path) -> None:
    given = {"PETMOOD_PREDICTION_LOG": f"sqlite:///{tmp_path}/log.db", "PETMOOD_PREDICTION_LOG_SPOOL": str(tmp_path)}
    with started(place, **given) as client:
        for number in range(20):
            photo = {"photo": ("a.jpg", PHOTO)}
            assert client.post("/", files=photo, headers={"X-Request-Id": f"{number:04}"}).status_code == 200
    engine = open_log(given["PETMOOD_PREDICTION_LOG"])
    spooled = {row.request_id for row in rows_in(tmp_path)}  # of a machine that took seconds to write
    assert {*request_ids(engine)} | spooled == {f"{number:04}" for number in range(20)}
    engine.dispose()

"""Cloud function in a real functions-framework process, from a main.py of one line, as it is deployed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from petmood.core.schemas import PredictionResponse
from tests.support.e2e_servers import PROGRAMS, running
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle
from tests.support.wire import upgrading_post

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

PHOTO = jpeg(photo_like(320, 240))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start functions-framework with the function."""
    place = tmp_path_factory.mktemp("function")
    bundle, main = tiny_bundle(place / "bundle").folder, place / "main.py"
    main.write_text("from petmood.serving.integrations.functions import predict\n", "utf-8")
    words = [PROGRAMS / "functions-framework", "--target", "predict", "--source", main]
    words += ["--host", "127.0.0.1", "--port", "{port}"]
    env = {"PETMOOD_BUNDLE": str(bundle)}
    with running([str(word) for word in words], home=place / "home", ready="/readyz", env=env) as client:
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

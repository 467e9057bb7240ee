"""Equal predictions for one set of photos, in this process and through every server over HTTP."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from petmood.core.errors import PhotoError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.base import Answer
from petmood.inference.load import load_bundle
from petmood.serving.integrations import functions as function
from tests.support.e2e_servers import PROGRAMS, running
from tests.support.images import animated, cmyk_jpeg, corners, exif, jpeg, photo_like, png
from tests.support.networks import tiny_bundle

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

SAME = 1e-6
GOLDEN = {
    **{f"photo {seed}": jpeg(photo_like(320, 240, seed=seed)) for seed in range(4)},
    "large": jpeg(photo_like(1600, 1200)),
    "small": jpeg(photo_like(20, 30)),
    "png": png(photo_like(128, 96)),
    "turned": jpeg(corners(), exif=exif(6)),
    "ink": cmyk_jpeg(photo_like(64, 48), adobe=True),
    "animated": animated("GIF", frames=3),
    "half": jpeg(photo_like(320, 240))[:3000],
    "no picture": b"no picture at all",
    "tiny": png(photo_like(1, 1)),
    "nothing": b"",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is started, the path that takes photos, and one that is answered when it is ready."""

    words: tuple[str, ...]
    path: str = "/predict"
    ready: str = "/readyz"


PETMOOD = str(PROGRAMS / "petmood")
TARGET = ("--target", "predict", "--source", function.__file__)
WAYS = {
    "fastapi": Way((PETMOOD, "serve", "{bundle}", "--port", "{port}")),
    "fastapi, two workers": Way((PETMOOD, "serve", "{bundle}", "--port", "{port}", "--workers", "2")),
    "bentoml": Way((PETMOOD, "bento", "{bundle}", "--port", "{port}")),
    "bentoml, batched": Way(
        (PETMOOD, "bento", "{bundle}", "--port", "{port}", "--max-batch", "4", "--max-latency-ms", "60000")
    ),
    "function": Way((str(PROGRAMS / "functions-framework"), *TARGET, "--port", "{port}"), path="/", ready="/"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle."""
    return tiny_bundle(tmp_path_factory.mktemp("golden") / "bundle").folder


@pytest.fixture(scope="module")
def expected(bundle: Path) -> dict[str, Answer]:
    """Answer the set in this process, each photo alone."""
    predictor = load_bundle(bundle)
    return {name: predictor.predict_batch([photo])[0] for name, photo in GOLDEN.items()}


@pytest.fixture(scope="module", params=WAYS, ids=list(WAYS))
def served(
    request: pytest.FixtureRequest, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, str]]:
    """Start each server in turn; return a client and the path that takes photos."""
    way = WAYS[request.param]
    words = [word.replace("{bundle}", str(bundle)) for word in way.words]
    env = {"PETMOOD_BUNDLE": str(bundle)}
    with running(words, home=tmp_path_factory.mktemp("home"), ready=way.ready, env=env) as client:
        yield client, way.path


def test_the_set_holds_answers_and_refusals(expected: dict[str, Answer]) -> None:
    good = [answer for answer in expected.values() if isinstance(answer, Prediction)]
    assert len(good) == 10
    assert len({answer.probability for answer in good}) > 5


def test_probabilities_are_finite_and_sum_to_one_and_agree_with_those_in_process(
    served: tuple[httpx.Client, str], expected: dict[str, Answer]
) -> None:
    """All photos at once and several times over, so that a service which batches does."""
    client, path = served
    good = {name: answer for name, answer in expected.items() if isinstance(answer, Prediction)}

    def ask(name: str) -> httpx.Response:
        return client.post(path, files={"photo": (name, GOLDEN[name])})

    names = [*good] * 4
    with ThreadPoolExecutor(8) as threads:
        got = dict(zip(enumerate(names), threads.map(ask, names), strict=True))
    for (_, name), one in got.items():
        assert one.status_code == 200, (name, one.text)
        agrees(PredictionResponse.model_validate_json(one.content), good[name])


def agrees(body: PredictionResponse, answer: Prediction) -> None:
    """Check one answer over HTTP against the one in this process."""
    assert list(body.probabilities) == list(DEFAULT_CLASSES)
    assert all(math.isfinite(p) and 0 <= p <= 1 for p in body.probabilities.values())
    assert sum(body.probabilities.values()) == pytest.approx(1, abs=SAME)
    assert body.probabilities == pytest.approx(answer.probabilities, abs=SAME)
    assert (body.label, body.confident) == (answer.label, answer.confident)
    assert body.prediction_set == list(answer.prediction_set)
    assert body.warnings == list(answer.warnings)


def test_refusals_have_the_same_status_code_and_message_as_in_process(
    served: tuple[httpx.Client, str], expected: dict[str, Answer]
) -> None:
    client, path = served
    for name, answer in expected.items():
        if not isinstance(answer, PhotoError):
            continue
        got = client.post(path, files={"photo": (name, GOLDEN[name])})
        body = ErrorResponse.model_validate_json(got.content)
        assert (got.status_code, body.code, body.message) == (answer.status, answer.code, str(answer)), name
        assert body.request_id == got.headers["x-request-id"]

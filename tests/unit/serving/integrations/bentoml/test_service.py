"""Tests of the BentoML service: route, documentation, batching and disabled telemetry."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from petmood.inference.base import Answer
from petmood.inference.fake import FakePredictor
from petmood.serving.integrations.bentoml.cli_args import UNTRACKED
from petmood.serving.integrations.bentoml.service import Batching, create_service, service
from tests.support.images import jpeg, photo_like


class Counting(FakePredictor):
    """Predictor that records its batch sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self._lock = threading.Lock()

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Predict and record the batch size."""
        with self._lock:
            self.sizes.append(len(photos))
        return super().predict_batch(photos)


def test_the_service_of_the_module_batches_nothing_and_reports_nothing() -> None:
    assert service.name == "petmood"
    assert not service.apis["predict"].batchable
    assert {env.name: env.value for env in service.envs} == UNTRACKED


def test_batching_is_bentoml_s_own() -> None:
    api = create_service(Batching(max_batch=16, max_latency_ms=250)).apis["predict"]
    assert (api.batchable, api.max_batch_size, api.max_latency_ms) == (True, 16, 250)


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"max_batch": 1000}, {"max_latency_ms": 0}])
def test_batching_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Batching(**wrong)


def test_what_is_documented_is_what_is_taken_and_given() -> None:
    routes = {route["route"]: route for route in service.schema()["routes"]}
    assert {path: route["input"]["required"] for path, route in routes.items()} == {
        "/predict": ["photo"],
        "/explain": ["photo"],
    }
    assert {"label", "probabilities", "prediction_set", "in_domain", "domain_warning", "request_id"} <= set(
        routes["/predict"]["output"]["properties"]
    )
    assert {"prediction", "maps", "method", "box"} == set(routes["/explain"]["output"]["properties"])


@pytest.mark.parametrize("max_batch", [1, 8])
def test_a_crowd_of_photos_get_each_their_own_answer(asked: Callable[..., TestClient], max_batch: int) -> None:
    photos = [jpeg(photo_like(64, 48, seed=seed) // (1 + seed % 4)) for seed in range(24)]
    predictor = Counting()
    client = asked(predictor, max_batch=max_batch, max_latency_ms=60_000)  # none times out, even on a busy machine

    def ask(photo: bytes) -> dict[str, float]:
        found: dict[str, float] = client.post("/predict", files={"photo": ("a.jpg", photo)}).json()["probabilities"]
        return found

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(ask, photos))
    alone = FakePredictor().predict_batch(photos)
    assert found == [one.probabilities for one in alone if not isinstance(one, Exception)]
    assert sum(predictor.sizes) == len(photos)
    assert max(predictor.sizes) <= max(1, max_batch // 2)


def test_the_threads_end_with_the_service(asked: Callable[..., TestClient]) -> None:
    before = {*threading.enumerate()}  # other tests of this process leave threads of the same names
    client = asked()
    assert client.get("/readyz").status_code == 200
    own = [one for one in threading.enumerate() if one not in before and one.name.startswith("answers-")]
    assert sorted(one.name for one in own) == ["answers-0", "answers-1"]
    client.__exit__(None, None, None)
    assert not any(one.is_alive() for one in own)

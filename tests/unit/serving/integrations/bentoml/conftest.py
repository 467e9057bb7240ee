"""Fixtures with the real BentoML service around a fake predictor, in this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from starlette.testclient import TestClient

from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.serving.integrations.bentoml.service import Batching, create_service
from tests.support.generous import GENEROUS_ENVIRONMENT


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts a service from a predictor, batching options and environment variables."""
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.setenv("PETMOOD_THREADS", "2")
    for name, value in GENEROUS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    plain, collectors = REGISTRY.register, []

    def register(collector: Collector) -> None:
        plain(collector)
        collectors.append(collector)

    monkeypatch.setattr(REGISTRY, "register", register)
    with ExitStack() as stack:

        def start(
            predictor: Predictor | None = None, *, max_batch: int = 1, max_latency_ms: int = 1000, **settings: object
        ) -> TestClient:
            for name, value in settings.items():
                monkeypatch.setenv(f"PETMOOD_{name.upper()}", str(value))

            def opener(bundle: Path, **_: object) -> Predictor:
                assert bundle == tmp_path
                return predictor or FakePredictor()

            batching = Batching(max_batch=max_batch, max_latency_ms=max_latency_ms)
            service = create_service(batching, bundle=tmp_path, opener=opener)
            return stack.enter_context(TestClient(service.to_asgi(), raise_server_exceptions=False))

        yield start
    for collector in collectors:
        REGISTRY.unregister(collector)

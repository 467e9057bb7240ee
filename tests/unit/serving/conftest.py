"""Fixtures with the real application around a fake predictor, in this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.service import AppState, OpenModel
from petmood.serving.settings import Settings
from tests.support.generous import GENEROUS
from tests.support.images import jpeg, photo_like


class Served:
    """A running application and its parts."""

    def __init__(self, client: TestClient, service: AppState) -> None:
        self.client, self.service = client, service

    def counted(self, line: str) -> float:
        """Return a metric's value by its name and labels; 0 if it is missing."""
        for row in self.service.metrics.render().decode().splitlines():
            if row.startswith(f"{line} "):
                return float(row.rpartition(" ")[2])
        return 0.0


@pytest.fixture
def served() -> Iterator[Callable[..., Served]]:
    """Return a function that starts an application from a predictor and settings."""
    with ExitStack() as stack:

        def start(
            predictor: Predictor | None = None,
            *,
            open_model: OpenModel | None = None,
            **settings: Any,  # noqa: ANN401 - any setting
        ) -> Served:
            app = create_app(
                predictor or FakePredictor(),
                settings=Settings(**{"threads": 1, **GENEROUS, **settings}),
                open_model=open_model,
            )
            client = TestClient(app, base_url="http://testserver", raise_server_exceptions=False)
            return Served(stack.enter_context(client), app.state.service)

        yield start


@pytest.fixture(scope="session")
def photo() -> bytes:
    """Return a small JPEG."""
    return jpeg(photo_like(64, 48))

"""Tests of the asynchronous client: the same requests, errors and pauses, and the real service."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from petmood.client.async_client import AsyncClient
from petmood.core.errors import (
    ConfigError,
    CorruptImage,
    Overloaded,
    PhotoError,
    ServiceTimeout,
    ServiceUnreachable,
    UnknownRequest,
)
from petmood.core.prediction import Prediction
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.settings import Settings
from tests.support.images import jpeg, photo_like
from tests.support.scripted_service import BODY, BUSY, REFUSED, serving

WORD = "3f9ac2d871be40556ad1"
PHOTO = jpeg(photo_like(90, 60))
PREDICTION = Prediction.from_response(BODY)


@asynccontextmanager
async def service() -> AsyncIterator[AsyncClient]:
    """Run the real application in this process, and yield a client of it."""
    app = create_app(FakePredictor())
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://pets.example", transport=httpx.ASGITransport(app)) as client,
    ):
        yield client


def run(test: Callable[[], Awaitable[Any]]) -> None:
    """Run an asynchronous test."""
    anyio.run(test)


def test_the_service_answers_as_the_predictor_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)

    async def ask() -> None:
        async with service() as client:
            found = await client.predict(tmp_path / "a.jpg")
            assert found.request_id is not None
            expected = FakePredictor().predict(PHOTO)
            assert found.to_dict() == {**expected.to_dict(), "request_id": found.request_id}
            explained = await client.explain(io.BytesIO(PHOTO))
            assert explained.prediction.probabilities == expected.probabilities
            assert [*explained.maps] == [*expected.probabilities]
            photos: list[Any] = [PHOTO, b"", tmp_path / "missing.jpg", io.BytesIO(PHOTO)]
            kinds = [type(answer).__name__ async for answer in client.predict_many(photos, batch_size=3)]
            assert kinds == ["Prediction", "EmptyFile", "PhotoError", "Prediction"]
            assert await client.classes() == FakePredictor().classes
            assert (await client.health()).status == "ok"
            with pytest.raises(CorruptImage) as caught:
                await client.predict(PHOTO[:300])
            assert caught.value.request_id is not None

    run(ask)


def test_a_busy_service_is_asked_again_after_the_time_that_it_names() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def ask() -> None:
        with serving(BUSY, (200, BODY.model_dump()), BUSY) as (address, script):
            async with AsyncClient(address, token=WORD, retries=1, sleep=sleep) as client:
                assert await client.predict(b"x") == PREDICTION
                with pytest.raises(Overloaded):
                    await client.predict(b"x")
        assert [asked["auth"] for asked in script.asked] == [f"Bearer {WORD}"] * 4

    run(ask)
    assert pauses == [2, 2]


def test_a_service_without_a_batch_route_gets_photos_one_by_one() -> None:
    async def ask() -> None:
        nothing, one = (404, {"code": "not_found", "message": "m", "request_id": "r"}), (200, BODY.model_dump())
        with serving(nothing, one, (422, REFUSED)) as (address, script):
            async with AsyncClient(address) as client:
                kinds = [type(result).__name__ async for result in client.predict_many([b"a", b"b"])]
        assert kinds == ["Prediction", "CorruptImage"]
        assert [asked["path"] for asked in script.asked] == ["/predict/batch", "/predict", "/predict"]

    run(ask)


def test_failures_of_the_way_there_are_errors_of_petmood(tmp_path: Path) -> None:
    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            with pytest.raises(ServiceUnreachable):
                await client.card()
            with pytest.raises(PhotoError, match="can't be read"):
                await client.predict(tmp_path / "missing.jpg")
            assert repr(client) == "<AsyncClient of http://127.0.0.1:9>"
        with serving((200, None)) as (address, _):
            async with AsyncClient(address, timeout_s=0.2) as client:
                with pytest.raises(ServiceTimeout):
                    await client.predict(b"x")
        with serving((422, REFUSED)) as (address, _):
            async with AsyncClient(address) as client:
                with pytest.raises(CorruptImage):
                    await client.predict(b"x")

    run(ask)


def test_what_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        AsyncClient("localhost:8000")

    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            with pytest.raises(TypeError, match="Expected several photos"):
                client.predict_many("a.jpg")

    run(ask)


def test_a_client_is_one_visitor_and_a_program_names_those_of_several_people(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"prediction_log": f"sqlite:///{tmp_path}/log.db", "prediction_log_spool": str(tmp_path / "spool")}
    )
    app = create_app(FakePredictor(), settings=settings)

    async def ask() -> None:
        async with (
            app.router.lifespan_context(app),
            AsyncClient("http://pets.example", transport=httpx.ASGITransport(app)) as client,
        ):
            request_id = (await client.predict(PHOTO)).request_id
            assert request_id is not None
            first = await client.feedback(request_id, label="sad")
            assert (first.label, first.replaced) == ("sad", False)
            assert (await client.feedback(request_id, right=True)).replaced
            for visitor, replaced in (("a" * 16, False), ("b" * 16, False), ("a" * 16, True)):
                assert (await client.feedback(request_id, right=True, visitor=visitor)).replaced == replaced
            with pytest.raises(UnknownRequest):
                await client.feedback("other", right=True)

    run(ask)

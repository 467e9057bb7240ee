"""Asynchronous client of the HTTP service."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
import httpx

from petmood.client.address import with_plain_zone
from petmood.client.endpoint import Endpoint
from petmood.client.exchange import (
    BATCH,
    MODEL,
    READY,
    Answer,
    Call,
    answers_of,
    card_of,
    explanation_of,
    feedback_call,
    feedback_of,
    health_of,
    in_batches,
    lacks_batches,
    predict_call,
    prediction_of,
    read_photo,
    retry_pause_s,
)
from petmood.core.errors import PhotoError
from petmood.core.explanation import Explanation
from petmood.core.photo_source import PhotoSource
from petmood.core.prediction import Prediction
from petmood.core.schemas import FeedbackResponse, HealthStatus, ModelCardResponse

__all__ = ["AsyncClient"]


class AsyncClient:
    """Client of a service with async methods; see ``Client`` for the arguments, limits and errors.

    Files are read in threads. A client belongs to one event loop; close it with an ``async with`` block.

    Raises:
        ConfigError: an argument is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._endpoint, self._sleep = Endpoint(with_plain_zone(url).rstrip("/"), token, timeout_s, retries), sleep
        self._http = self._endpoint.open(httpx.AsyncClient, transport=transport)

    @property
    def address(self) -> str:
        """The service's address."""
        return self._endpoint.address

    async def predict(self, photo: PhotoSource) -> Prediction:
        """Predict one photo: a path, the bytes of a file, or a binary file; see ``Client.predict``."""
        data = await anyio.to_thread.run_sync(read_photo, photo)
        return prediction_of(await self._send(Call("POST", "/predict", (data,))))

    async def explain(self, photo: PhotoSource) -> Explanation:
        """Predict one photo, with a map for each class; see ``Client.explain``."""
        data = await anyio.to_thread.run_sync(read_photo, photo)
        return explanation_of(await self._send(Call("POST", "/explain", (data,))))

    def predict_many(self, photos: Iterable[PhotoSource], *, batch_size: int = BATCH) -> AsyncIterator[Answer]:
        """Yield one result per photo, in order; see ``Client.predict_many``."""
        return self._answers(in_batches(photos, batch_size=batch_size), batch_size)

    async def feedback(
        self,
        request_id: str,
        *,
        right: bool = False,
        label: str | None = None,
        position: int = 0,
        note: str | None = None,
        visitor: str | None = None,
    ) -> FeedbackResponse:
        """Say that a prediction was right, or which label is; see ``Client.feedback``."""
        call = feedback_call(request_id, right=right, label=label, position=position, note=note, visitor=visitor)
        return feedback_of(await self._send(call))

    async def card(self) -> ModelCardResponse:
        """Return the classes, the manifest and the model card of the served model."""
        return card_of(await self._send(MODEL))

    async def classes(self) -> tuple[str, ...]:
        """Return the classes of the served model, in the order of its outputs."""
        return tuple((await self.card()).classes)

    async def health(self) -> HealthStatus:
        """Return whether the service is ready, with the reason if it is not."""
        return health_of(await self._send(READY))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """Return the address, without the token."""
        return f"<AsyncClient of {self.address}>"

    async def _answers(self, batches: Iterator[list[bytes | PhotoError]], batch_size: int) -> AsyncIterator[Answer]:
        while batch := await anyio.to_thread.run_sync(lambda: next(batches, None)):
            if batch_size > 1:
                response = await self._send_photos(batch, batch_size)
                if not lacks_batches(response):
                    for answer in answers_of(response, batch, batch_size=batch_size):
                        yield answer
                    continue
                batch_size = 1
            for photo in batch:
                response = await self._send_photos([photo], 1)
                for answer in answers_of(response, [photo], batch_size=1):
                    yield answer

    async def _send_photos(self, batch: list[bytes | PhotoError], batch_size: int) -> httpx.Response | None:
        call = predict_call(batch, batch_size=batch_size)
        return await self._send(call) if call is not None else None

    async def _send(self, call: Call) -> httpx.Response:
        for left in reversed(range(self._endpoint.retries + 1)):
            with self._endpoint.translated_errors():
                response = await self._http.request(
                    call.method, self.address + call.path, files=call.files, json=call.json, headers=call.headers
                )
            pause = retry_pause_s(response, retries_left=left)
            if pause is None:
                break
            await self._sleep(pause)
        return response

"""Synchronous client of the HTTP service."""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

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

__all__ = ["Client"]


class Client:
    """Client of a service at an address such as ``http://127.0.0.1:8000``; thread-safe, closed by a ``with`` block.

    ``timeout_s`` limits each phase of a request: connect, write, read. With ``retries`` above 0, requests that the
    service rejected with 429 or 503 are retried after the time in Retry-After. Other requests are not retried.
    The errors are those of a local predictor, with ``request_id``, and ``ServiceError``.

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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint, self._sleep = Endpoint(with_plain_zone(url).rstrip("/"), token, timeout_s, retries), sleep
        self._http = self._endpoint.open(httpx.Client, transport=transport)

    @property
    def address(self) -> str:
        """The service's address."""
        return self._endpoint.address

    def predict(self, photo: PhotoSource) -> Prediction:
        """Predict one photo: a path, the bytes of a file, or a binary file.

        Raises:
            PhotoError: the photo is rejected, or can't be read.
            RequestError: the request is rejected, such as ``Unauthorized`` or ``Overloaded``.
            ServiceError: the service can't be reached, does not respond in time, or is not petmood.
        """
        return prediction_of(self._send(Call("POST", "/predict", (read_photo(photo),))))

    def explain(self, photo: PhotoSource) -> Explanation:
        """Predict one photo, with a map for each class of the places that raise or lower its logit.

        Raises:
            PhotoError, RequestError, ServiceError: as for ``predict``; a service of an older version has no such route.
        """
        return explanation_of(self._send(Call("POST", "/explain", (read_photo(photo),))))

    def predict_many(self, photos: Iterable[PhotoSource], *, batch_size: int = BATCH) -> Iterator[Answer]:
        """Yield one result per photo, in order; the result of an invalid photo is its error, which is not raised.

        Photos are read lazily, and ``batch_size`` of them are sent in one request. With a ``batch_size`` of 1, or if
        the service has no ``/predict/batch``, each photo is sent to ``/predict``.

        Raises:
            RequestError, ServiceError: as for ``predict``.
            TypeError: the argument is one photo, or one of the photos is not a path, bytes or a binary file.
        """
        return self._answers(in_batches(photos, batch_size=batch_size), batch_size)

    def feedback(
        self,
        request_id: str,
        *,
        right: bool = False,
        label: str | None = None,
        position: int = 0,
        note: str | None = None,
        visitor: str | None = None,
    ) -> FeedbackResponse:
        """Say that a prediction was right, or which label is; the last feedback of a visitor on a photo counts.

        ``request_id`` is that of the prediction, ``position`` that of the photo in a batch. A client counts as one
        visitor, by a cookie. A program that serves several people gives a random ``visitor`` for each.

        Raises:
            ConfigError: an argument is invalid.
            UnknownRequest: the service has no such prediction in its log.
            RequestError, ServiceError: as for ``predict``.
        """
        call = feedback_call(request_id, right=right, label=label, position=position, note=note, visitor=visitor)
        return feedback_of(self._send(call))

    def card(self) -> ModelCardResponse:
        """Return the classes, the manifest and the model card of the served model."""
        return card_of(self._send(MODEL))

    def classes(self) -> tuple[str, ...]:
        """Return the classes of the served model, in the order of its outputs."""
        return tuple(self.card().classes)

    def health(self) -> HealthStatus:
        """Return whether the service is ready, with the reason if it is not."""
        return health_of(self._send(READY))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def __repr__(self) -> str:
        """Return the address, without the token."""
        return f"<Client of {self.address}>"

    def _answers(self, batches: Iterator[list[bytes | PhotoError]], batch_size: int) -> Iterator[Answer]:
        for batch in batches:
            if batch_size > 1:
                response = self._send_photos(batch, batch_size)
                if not lacks_batches(response):
                    yield from answers_of(response, batch, batch_size=batch_size)
                    continue
                batch_size = 1
            for photo in batch:
                response = self._send_photos([photo], 1)
                yield from answers_of(response, [photo], batch_size=1)

    def _send_photos(self, batch: list[bytes | PhotoError], batch_size: int) -> httpx.Response | None:
        call = predict_call(batch, batch_size=batch_size)
        return self._send(call) if call is not None else None

    def _send(self, call: Call) -> httpx.Response:
        for left in reversed(range(self._endpoint.retries + 1)):
            with self._endpoint.translated_errors():
                response = self._http.request(
                    call.method, self.address + call.path, files=call.files, json=call.json, headers=call.headers
                )
            pause = retry_pause_s(response, retries_left=left)
            if pause is None:
                break
            self._sleep(pause)
        return response

"""Feedback on logged predictions: rate limit, wait for a row that is still queued, and threads for the database."""

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.types import Scope

from petmood.core.errors import LogUnavailable, Overloaded, Unavailable, UnknownRequest, UnprocessableContent
from petmood.core.schemas import FeedbackRequest, FeedbackResponse
from petmood.monitoring.feedback.records import Feedback, LoggedPrediction
from petmood.monitoring.metric_names import FeedbackResult
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.serving.addresses import TrustedProxies, client_group
from petmood.serving.middleware.auth import RateLimit

if TYPE_CHECKING:
    from petmood.monitoring.feedback.store import FeedbackStore
    from petmood.monitoring.prediction_log.writer import LogWriter

__all__ = ["ROW_WITHIN_S", "FeedbackService"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
ROW_WITHIN_S: Final = 2.0
"""Time for the row of an answer to be written, by this process or another one: four times the writer's wait."""
LOOK_EVERY_S: Final = 0.1
MOST: Final = 64
"""Feedback in progress; more is refused."""
CONNECTIONS: Final = 4


class FeedbackService:
    """Takes feedback on predictions that are in the log; used from the event loop, which never waits for the database.

    ``per_minute`` limits the feedback of one client address, 0 not at all. ``row_within_s`` is the time in seconds
    after which a row that isn't found is missing.
    """

    def __init__(
        self,
        store: "FeedbackStore",
        log: "LogWriter",
        *,
        per_minute: float,
        proxies: TrustedProxies,
        count: Callable[[FeedbackResult], None],
        row_within_s: float = ROW_WITHIN_S,
    ) -> None:
        self._store, self._log, self._count, self._row_within_s = store, log, count, row_within_s
        self._rate, self._proxies = RateLimit(per_minute) if per_minute else None, proxies
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._in_progress = 0

    def refuse_if_spent(self, scope: Scope) -> None:
        """Count one request of the client.

        Raises:
            TooManyRequests: the client's rate limit is exceeded.
        """
        if self._rate is not None:
            self._rate.refuse_if_spent(client_group(self._proxies.client_of(scope)))

    async def give(self, given: FeedbackRequest, *, visitor: str) -> FeedbackResponse:
        """Store feedback of a visitor, in place of the visitor's earlier one on the same photo.

        Raises:
            UnknownRequest: there is no such prediction in the log.
            UnprocessableContent: the label is none of the model that predicted.
            Overloaded: too much feedback is in progress.
            Unavailable: the log can't be used, or is behind.
        """
        key = PhotoKey(given.request_id, given.position)
        with self._admitted():
            found = await self._find(key)
            _refuse_other_labels(given.label, found)
            feedback = Feedback(key, visitor, given.label, given.note, time.time_ns() // 1000)
            replaced = await self._in_thread(lambda: self._store.write(feedback))
        if replaced is None:
            raise _unknown(key)
        right = given.label if given.label is not None else found.label
        self._count(FeedbackResult.RIGHT if right == found.label else FeedbackResult.WRONG)
        return FeedbackResponse(request_id=key.request_id, position=key.position, label=right, replaced=replaced)

    def close(self) -> None:
        """Close the connections to the database."""
        self._store.close()

    async def _find(self, key: PhotoKey) -> LoggedPrediction:
        """Return the logged prediction; its row may be written some moments after the answer was sent."""
        until = time.monotonic() + self._row_within_s
        while (found := await self._in_thread(lambda: self._store.prediction(key))) is None:
            if time.monotonic() >= until:
                raise await self._in_thread(lambda: self._missing(key))
            await asyncio.sleep(LOOK_EVERY_S)
        return found

    def _missing(self, key: PhotoKey) -> Unavailable | UnknownRequest:
        if self._log.may_hold(key):
            return Unavailable(
                "The prediction log is behind, so this prediction may come later. Try again in a moment."
            )
        return _unknown(key)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._connections:
            try:
                return await _in_daemon_thread(work)
            except LogUnavailable as error:
                logger.warning("feedback was refused: %s", error)
                raise Unavailable("Feedback can't be stored at the moment. Try again in a moment.") from error

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._in_progress >= MOST:
            raise Overloaded("Too much feedback is being stored. Try again in a second.")
        self._in_progress += 1
        try:
            yield
        finally:
            self._in_progress -= 1


async def _in_daemon_thread(work: Callable[[], T]) -> T:
    """Run work in a thread that doesn't delay the end of the process, as one of ``asyncio.to_thread`` would."""
    result: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised where the result is awaited
            result.set_exception(error)

    threading.Thread(target=run, name="feedback", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(result))


def _refuse_other_labels(label: str | None, found: LoggedPrediction) -> None:
    if label is not None and label not in found.bundle.classes:
        raise UnprocessableContent(
            f"Expected a label of the model that predicted ({', '.join(found.bundle.classes)}), got {label!r}."
        )


def _unknown(key: PhotoKey) -> UnknownRequest:
    photo = f", photo {key.position}" if key.position else ""
    return UnknownRequest(
        f"There is no prediction of the request {key.request_id!r}{photo}. Expected the request_id of an answer of "
        "/predict, not deleted since."
    )

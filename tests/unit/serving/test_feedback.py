"""Tests of feedback: the wait for a row that is queued, and a database that is away, slow or behind."""

import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from petmood.core.errors import (
    LogUnavailable,
    Overloaded,
    PetmoodError,
    TooManyRequests,
    Unavailable,
    UnknownRequest,
    UnprocessableContent,
)
from petmood.core.schemas import FeedbackRequest
from petmood.monitoring.feedback.records import Feedback, LoggedPrediction
from petmood.monitoring.feedback.store import FeedbackStore, read_feedback
from petmood.monitoring.metric_names import FeedbackResult
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.spool import Spool
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.prediction_log.writer import WAIT_S, LogWriter
from petmood.serving import feedback as module
from petmood.serving.addresses import TrustedProxies
from petmood.serving.feedback import ROW_WITHIN_S, FeedbackService
from tests.support.logged import Counts, row, sqlite
from tests.support.waiting import wait_until

RIGHT = FeedbackRequest(request_id="request-1", right=True)
WRONG = FeedbackRequest(request_id="request-1", label="angry")
ME = "a" * 64


class Held(FeedbackStore):
    """A store whose database can be away, and that says how often it was read; reads can be held up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(sqlite(folder))
        self.reads, self.away, self.goes_on = 0, False, threading.Event()
        self.goes_on.set()

    def prediction(self, key: PhotoKey) -> LoggedPrediction | None:
        """Count the read, and wait until it may go on."""
        self.reads += 1
        self.goes_on.wait()
        if self.away:
            raise LogUnavailable("The prediction log postgresql://db/pets can't be used: away")
        return super().prediction(key)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of an empty log."""
    made = LogStore(sqlite(tmp_path))
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def writer(tmp_path: Path) -> LogWriter:
    """Return a writer that holds no row."""
    return LogWriter(LogStore(sqlite(tmp_path)), Spool(tmp_path / "spool"), count=Counts().add)


@pytest.fixture
def store(log: LogStore, tmp_path: Path) -> Iterator[Held]:
    """Return a store of feedback on that log."""
    assert log is not None
    made = Held(tmp_path)
    yield made
    made.goes_on.set()
    made.close()


@pytest.fixture
def counted() -> Counter[FeedbackResult]:
    """Return the numbers of feedback by result."""
    return Counter()


@pytest.fixture
def service(store: Held, writer: LogWriter, counted: Counter[FeedbackResult]) -> Callable[..., FeedbackService]:
    """Return a function that makes a service; a missing row is waited for as long as a test takes by default."""

    def made(*, row_within_s: float = 600, per_minute: float = 0) -> FeedbackService:
        return FeedbackService(
            store,
            writer,
            per_minute=per_minute,
            proxies=TrustedProxies.parse("none"),
            count=lambda result: counted.update([result]),
            row_within_s=row_within_s,
        )

    return made


def run(work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what the work returns
    """Run asynchronous work."""
    return anyio.run(work)


def refusal(made: FeedbackService, given: FeedbackRequest = RIGHT) -> PetmoodError:
    """Return the error with which feedback is refused."""

    async def give() -> PetmoodError:
        with pytest.raises(PetmoodError) as caught:
            await made.give(given, visitor=ME)
        return caught.value

    found: PetmoodError = run(give)
    return found


def test_feedback_is_stored_and_counted(
    service: Callable[..., FeedbackService], log: LogStore, tmp_path: Path, counted: Counter[FeedbackResult]
) -> None:
    log.insert([row(1)])
    made = service()
    first = run(lambda: made.give(RIGHT, visitor=ME))
    second = run(lambda: made.give(WRONG, visitor=ME))
    assert (first.label, first.replaced, second.label, second.replaced) == ("happy", False, "angry", True)
    (stored,) = read_feedback(sqlite(tmp_path))
    assert (stored.feedback.label, stored.feedback.visitor) == ("angry", ME)
    assert counted == {FeedbackResult.RIGHT: 1, FeedbackResult.WRONG: 1}


def test_a_row_that_is_still_queued_is_waited_for(
    service: Callable[..., FeedbackService], log: LogStore, store: Held
) -> None:
    """The row is written after the first reads found nothing, as that of a request that was just answered."""
    made = service()

    async def give() -> str | None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, write_after_two_reads)
            found = await made.give(WRONG, visitor=ME)
        return found.label

    def write_after_two_reads() -> None:
        wait_until(lambda: store.reads >= 2)
        log.insert([row(1)])

    assert run(give) == "angry"


def test_a_row_has_several_times_as_long_as_the_writer_waits_for_more_rows() -> None:
    assert ROW_WITHIN_S >= 4 * WAIT_S


def test_a_row_that_never_comes_is_unknown(
    service: Callable[..., FeedbackService], counted: Counter[FeedbackResult]
) -> None:
    error = refusal(service(row_within_s=0))
    assert isinstance(error, UnknownRequest)
    assert (error.status, error.code) == (404, "unknown_request")
    assert "'request-1'" in str(error)
    assert not counted


def test_a_row_in_the_spool_is_not_unknown_but_late(service: Callable[..., FeedbackService], tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([row(1)])
    error = refusal(service(row_within_s=0))
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 1
    spool.close()


def test_another_position_of_the_request_is_unknown(service: Callable[..., FeedbackService], log: LogStore) -> None:
    log.insert([row(1)])
    other = FeedbackRequest(request_id="request-1", position=3, right=True)
    assert "'request-1', photo 3" in str(refusal(service(row_within_s=0), other))


def test_a_label_of_no_class_is_refused_with_those_that_are(
    service: Callable[..., FeedbackService], log: LogStore, tmp_path: Path
) -> None:
    log.insert([row(1)])
    error = refusal(service(), FeedbackRequest(request_id="request-1", label="sleepy"))
    assert isinstance(error, UnprocessableContent)
    assert "(angry, happy), got 'sleepy'" in str(error)
    assert read_feedback(sqlite(tmp_path)) == []


def test_a_database_that_is_away_is_unavailable_and_its_address_is_not_said(
    service: Callable[..., FeedbackService], store: Held, caplog: pytest.LogCaptureFixture
) -> None:
    store.away = True
    error = refusal(service())
    assert isinstance(error, Unavailable)
    assert "postgresql" not in str(error)
    assert "postgresql://db/pets" in caplog.text


def test_a_prediction_that_is_deleted_meanwhile_is_unknown(
    service: Callable[..., FeedbackService], log: LogStore, store: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.insert([row(1)])

    def write(feedback: Feedback) -> bool | None:
        log.delete_requests(["request-1"])
        return FeedbackStore.write(store, feedback)

    monkeypatch.setattr(store, "write", write)
    assert isinstance(refusal(service()), UnknownRequest)


def test_a_hanging_database_holds_up_neither_the_event_loop_nor_without_bound(
    service: Callable[..., FeedbackService], log: LogStore, store: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.insert([row(1)])
    monkeypatch.setattr(module, "MOST", 3)
    made, store_before = service(), store.reads
    store.goes_on.clear()

    async def give() -> list[str | None]:
        labels: list[str | None] = []

        async def one() -> None:
            labels.append((await made.give(RIGHT, visitor=ME)).label)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
            await anyio.to_thread.run_sync(lambda: wait_until(lambda: store.reads > store_before))
            with pytest.raises(Overloaded):
                await made.give(RIGHT, visitor=ME)
            store.goes_on.set()
        return labels

    assert run(give) == ["happy"] * 3


def test_a_client_has_a_rate_and_is_told_when_to_try_again(service: Callable[..., FeedbackService]) -> None:
    made = service(per_minute=2)
    mine: dict[str, Any] = {"type": "http", "headers": [], "client": ("192.0.2.1", 1)}
    for _ in range(2):
        made.refuse_if_spent(mine)
    with pytest.raises(TooManyRequests) as caught:
        made.refuse_if_spent(mine)
    assert caught.value.retry_after_s in range(2, 31)
    made.refuse_if_spent({**mine, "client": ("192.0.2.2", 1)})

"""Tests of the worker pool: order of results, error handling and rejection when full."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from petmood.core.errors import BundleError, CorruptImage, InternalError, Overloaded, PhotoError, ShuttingDown
from petmood.core.explanation import Explanation
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.inference.base import Answer, Explained
from petmood.inference.fake import FakePredictor
from petmood.serving.active_model import ModelSlot
from petmood.serving.worker_pool import WorkerPool
from tests.support.images import jpeg, photo_like
from tests.support.waiting import wait_until

T = TypeVar("T")
PHOTOS = [jpeg(photo_like(48, 48, seed=seed)) for seed in range(4)]


class Gated(FakePredictor):
    """Predictor that blocks until it is released and records its batches."""

    def __init__(self, *, version: str = "0") -> None:
        super().__init__(version=version)
        self.gate, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.seen: list[int] = []

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Wait for the release, then predict."""
        self.entered.release()
        assert self.gate.acquire(timeout=120)
        self.seen.append(len(photos))
        return super().predict_batch(photos)


class Failing(FakePredictor):
    """Predictor that raises for marked photos."""

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Raise the error that the photo names."""
        if b"broken" in photos:
            raise RuntimeError("a secret path: /srv/secret")
        if b"bundle" in photos:
            raise BundleError("The network can't answer.")
        return super().predict_batch(photos)


def run(work: Callable[[WorkerPool], Awaitable[T]], predictor: FakePredictor | None = None, **settings: Any) -> T:  # noqa: ANN401 - any setting
    """Run a coroutine function with a started pool, and stop the pool afterwards."""
    slot = settings.pop("slot", None) or ModelSlot(predictor or FakePredictor())
    workers = WorkerPool(slot, **{"threads": 1, "waiting": 8, "max_wait_s": 600.0, **settings})

    async def scene() -> T:
        workers.start()
        try:
            return await work(workers)
        finally:
            await asyncio.to_thread(workers.stop)

    return asyncio.run(scene())


async def entered(predictor: Gated) -> None:
    """Wait until a worker has begun to predict."""
    assert await asyncio.to_thread(predictor.entered.acquire, timeout=120)


def model_of(answers: Sequence[Answer]) -> ModelInfo:
    """Return the model that one prediction names."""
    (prediction,) = answers
    assert isinstance(prediction, Prediction)
    return prediction.model


def classes(answers: Sequence[Answer]) -> list[str]:
    """Return the predicted classes or error codes."""
    return [answer.best_guess if isinstance(answer, Prediction) else answer.code for answer in answers]


def test_photos_are_answered_in_their_order_whoever_answers_them() -> None:
    async def work(workers: WorkerPool) -> list[Answer]:
        return await workers.answer(PHOTOS)

    expected = FakePredictor().predict_batch(PHOTOS)
    assert run(work, threads=2) == expected


def test_an_answer_names_the_model_that_gave_it() -> None:
    async def work(workers: WorkerPool) -> str:
        return model_of(await workers.answer(PHOTOS[:1])).version

    assert run(work, FakePredictor(version="7")) == "7"


def test_a_full_queue_refuses_at_once_and_takes_none() -> None:
    predictor = Gated()

    async def work(workers: WorkerPool) -> tuple[int, list[str]]:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await entered(predictor)
        waiting = [asyncio.create_task(workers.answer(PHOTOS[:1])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=r"Too many photos are waiting \(limit 2\)"):
            await workers.answer(PHOTOS[:1])
        left = workers.waiting
        predictor.gate.release(10)
        found = [await task for task in (first, *waiting)]
        return left, [model_of(one).version for one in found]

    assert run(work, predictor, waiting=2) == (2, ["0"] * 3)


def test_a_batch_that_does_not_fit_is_refused_whole() -> None:
    async def work(workers: WorkerPool) -> int:
        with pytest.raises(Overloaded):
            await workers.answer(PHOTOS)
        return workers.waiting

    assert run(work, waiting=3) == 0


def test_waiting_photos_are_gathered_where_batches_are_wanted() -> None:
    predictor = Gated()

    async def work(workers: WorkerPool) -> None:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await entered(predictor)
        rest = [asyncio.create_task(workers.answer([photo])) for photo in PHOTOS]
        await asyncio.sleep(0)
        predictor.gate.release(10)
        await asyncio.gather(first, *rest)

    run(work, predictor, batch=3)
    assert predictor.seen == [1, 3, 1]


def test_a_batch_waits_a_while_to_be_filled() -> None:
    predictor = Gated()
    predictor.gate.release(10)

    async def work(workers: WorkerPool) -> None:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_until, lambda: workers.waiting == 0, what="a worker to take the first")
        await asyncio.gather(first, workers.answer(PHOTOS[1:2]))

    run(work, predictor, batch=2, batch_wait_s=600.0)
    assert predictor.seen == [2]


def test_a_batch_that_nothing_more_comes_for_is_answered_all_the_same() -> None:
    predictor = Gated()
    predictor.gate.release(10)

    async def work(workers: WorkerPool) -> int:
        return len(await workers.answer(PHOTOS[:1]))

    assert run(work, predictor, batch=4, batch_wait_s=0.02) == 1
    assert predictor.seen == [1]


def test_a_photo_is_let_go_when_it_was_answered() -> None:
    async def work(workers: WorkerPool) -> int:
        photo = bytes(bytearray(PHOTOS[0]))
        before = sys.getrefcount(photo)
        await workers.answer([photo])
        deadline = time.monotonic() + 120  # the thread delivers its result before it frees the photo
        while sys.getrefcount(photo) != before and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        return sys.getrefcount(photo) - before

    assert run(work) == 0


def test_a_predictor_that_fails_costs_that_photo_alone_and_no_thread() -> None:
    async def work(workers: WorkerPool) -> tuple[list[str], bool]:
        answers = [(await workers.answer([photo]))[0] for photo in (b"broken", b"bundle", PHOTOS[0])]
        assert isinstance(answers[0], InternalError)
        assert "/srv" not in str(answers[0])
        return classes(answers), workers.alive

    expected = ["internal", "bad_bundle", *classes(FakePredictor().predict_batch(PHOTOS[:1]))]
    assert run(work, Failing()) == (expected, True)


def test_a_bad_photo_gets_its_refusal() -> None:
    async def work(workers: WorkerPool) -> list[Answer]:
        return await workers.answer([PHOTOS[0][:200], PHOTOS[0]])

    bad, good = run(work)
    assert isinstance(bad, CorruptImage | PhotoError)
    assert isinstance(good, Prediction)


def test_a_photo_that_waited_too_long_is_refused_and_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, now = Gated(), [100.0]
    monkeypatch.setattr("petmood.serving.worker_pool.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def work(workers: WorkerPool) -> tuple[str, ...]:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await entered(predictor)
        late = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await asyncio.sleep(0)
        now[0] += 5.1
        predictor.gate.release(10)
        (one,), (other,) = await first, await late
        return tuple(classes([one, other]))

    first, late = run(work, predictor, max_wait_s=5.0)
    assert first != "overloaded"
    assert late == "overloaded"
    assert predictor.seen == [1]


def test_whoever_went_away_is_not_worked_for() -> None:
    predictor = Gated()

    async def work(workers: WorkerPool) -> None:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await entered(predictor)
        gone = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        predictor.gate.release(10)
        await first

    run(work, predictor)
    assert predictor.seen == [1]


def test_a_swap_under_way_lets_each_model_finish_what_it_began() -> None:
    old, new = Gated(version="1"), FakePredictor(version="2")
    slot = ModelSlot(old)

    async def work(workers: WorkerPool) -> list[str]:
        first = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await entered(old)
        slot.swap(new)
        second = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await asyncio.sleep(0)
        old.gate.release()
        return [model_of(await task).version for task in (first, second)]

    assert run(work, slot=slot) == ["1", "2"]


def test_stopping_finishes_what_waits_and_takes_no_more() -> None:
    predictor = Gated()

    async def work(workers: WorkerPool) -> list[str]:
        tasks = [asyncio.create_task(workers.answer(PHOTOS[:1])) for _ in range(3)]
        await entered(predictor)
        stopping = asyncio.create_task(asyncio.to_thread(workers.stop))
        predictor.gate.release(10)
        found = [model_of(await task).name for task in tasks]
        await stopping
        with pytest.raises(ShuttingDown):
            await workers.answer(PHOTOS[:1])
        assert not workers.alive
        return found

    assert run(work, predictor, batch=2) == ["fake"] * 3


def test_workers_that_may_not_yield_to_the_event_loop_work_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refused)

    async def work(workers: WorkerPool) -> bool:
        await workers.answer(PHOTOS[:1])
        return workers.alive

    assert run(work)


# --- explanations -----------------------------------------------------------------------------------------------------


def test_an_explanation_comes_from_the_same_queue_as_predictions() -> None:
    async def ask(workers: WorkerPool) -> tuple[Any, ...]:
        return await asyncio.gather(workers.answer(PHOTOS[:2]), workers.explain(PHOTOS[2]), workers.answer(PHOTOS[3:]))

    first, explained, last = run(ask, batch=4)
    expected = [FakePredictor().predict(photo) for photo in PHOTOS]
    assert [*first, *last] == [expected[0], expected[1], expected[3]]
    assert isinstance(explained, Explanation)
    assert (explained.prediction, explained.method) == (expected[2], "occlusion")


def test_a_photo_that_can_not_be_explained_gets_its_error_and_the_pool_goes_on() -> None:
    class Unexplained(FakePredictor):
        """Predictor whose explanations fail."""

        def explain_photo(self, photo: bytes | Path) -> Explained:
            raise RuntimeError(f"a secret path: /srv/secret/{photo!r}")

    async def ask(workers: WorkerPool) -> tuple[Any, ...]:
        return await workers.explain(PHOTOS[0]), await workers.answer(PHOTOS[:1])

    failed, answers = run(ask, Unexplained())
    assert isinstance(failed, InternalError)
    assert "secret" not in str(failed)
    assert [type(answer) for answer in answers] == [Prediction]

    async def broken(workers: WorkerPool) -> object:
        return await workers.explain(PHOTOS[0][:200])

    assert isinstance(run(broken), CorruptImage)


def test_an_explanation_is_refused_when_the_queue_is_full() -> None:
    gated = Gated()

    async def ask(workers: WorkerPool) -> None:
        running = asyncio.create_task(workers.answer(PHOTOS[:1]))
        await asyncio.to_thread(gated.entered.acquire, timeout=120)
        waiting = asyncio.create_task(workers.answer(PHOTOS[1:2]))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await workers.explain(PHOTOS[2])
        for _ in range(2):
            gated.gate.release()
        await asyncio.gather(running, waiting)

    run(ask, gated, waiting=1)

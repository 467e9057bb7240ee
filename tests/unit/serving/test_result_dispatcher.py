"""Tests of result delivery: immediate, batched under load, and without loss."""

import asyncio
import threading

from petmood.serving.result_dispatcher import ResultDispatcher


def test_without_a_crowd_a_result_is_there_at_once() -> None:
    async def scene() -> str:
        loop = asyncio.get_running_loop()
        dispatcher: ResultDispatcher[str] = ResultDispatcher(lambda: 0, min_waiting=4)
        future: asyncio.Future[str] = loop.create_future()
        dispatcher.watch(loop)
        threading.Thread(target=dispatcher.put, args=(loop, [(future, "done")])).start()
        return await future

    assert asyncio.run(scene()) == "done"


def test_in_a_crowd_results_come_together() -> None:
    async def scene() -> tuple[list[bool], list[int]]:
        loop = asyncio.get_running_loop()
        dispatcher: ResultDispatcher[int] = ResultDispatcher(lambda: 100, min_waiting=4)
        futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(3)]
        dispatcher.watch(loop)
        for number, future in enumerate(futures):
            dispatcher.put(loop, [(future, number)])
        await asyncio.sleep(0)
        return [future.done() for future in futures], await asyncio.gather(*futures)

    assert asyncio.run(scene()) == ([False] * 3, [0, 1, 2])


def test_when_the_crowd_has_gone_nothing_is_left_behind() -> None:
    async def scene() -> list[str]:
        loop = asyncio.get_running_loop()
        waiting = [100]
        dispatcher: ResultDispatcher[str] = ResultDispatcher(lambda: waiting[0], min_waiting=4)
        first, second = loop.create_future(), loop.create_future()
        dispatcher.watch(loop)
        dispatcher.put(loop, [(first, "held")])
        waiting[0] = 0
        found = [await first]
        dispatcher.put(loop, [(second, "at once")])
        return [*found, await second]

    assert asyncio.run(scene()) == ["held", "at once"]


def test_a_handful_of_results_is_not_held_back_when_little_else_waits() -> None:
    async def scene() -> list[int]:
        loop = asyncio.get_running_loop()
        dispatcher: ResultDispatcher[int] = ResultDispatcher(lambda: 8, min_waiting=8)
        futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(3)]
        dispatcher.watch(loop)
        dispatcher.put(loop, [(future, number) for number, future in enumerate(futures)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [future.result() for future in futures]

    assert asyncio.run(scene()) == [0, 1, 2]


def test_whoever_has_gone_away_is_passed_over() -> None:
    async def scene() -> str:
        loop = asyncio.get_running_loop()
        dispatcher: ResultDispatcher[str] = ResultDispatcher(lambda: 0, min_waiting=4)
        gone, there = loop.create_future(), loop.create_future()
        gone.cancel()
        dispatcher.put(loop, [(gone, "a"), (there, "b")])
        return str(await there)

    assert asyncio.run(scene()) == "b"


def test_a_closed_loop_is_no_error_for_a_worker() -> None:
    loop = asyncio.new_event_loop()
    future: asyncio.Future[str] = loop.create_future()
    loop.close()
    ResultDispatcher[str](lambda: 0, min_waiting=1).put(loop, [(future, "nobody hears")])
    assert not future.done()

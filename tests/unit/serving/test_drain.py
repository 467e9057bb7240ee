"""Tests of the shutdown state and of cutting uploads."""

import asyncio

import pytest

from petmood.serving.drain import DrainState


def test_beginning_to_end_cuts_nothing_yet() -> None:
    drain = DrainState()
    before = drain.begun
    drain.begin()
    assert (before, drain.begun, drain.cut) == (False, True, False)


def test_cutting_ends_every_upload_under_way_and_no_other() -> None:
    async def upload(drain: DrainState, *, watched: bool) -> str:
        try:
            async with asyncio.timeout(60) as timeout:
                if watched:
                    with drain.watched(timeout):
                        await asyncio.sleep(30)
                await asyncio.sleep(0.05)
        except TimeoutError:
            return "cut"
        return "whole"

    async def scene() -> list[str]:
        drain = DrainState()
        uploads = [asyncio.create_task(upload(drain, watched=watched)) for watched in (True, True, False)]
        await asyncio.sleep(0)
        drain.cut_uploads()
        assert drain.cut
        return await asyncio.gather(*uploads)

    assert asyncio.run(scene()) == ["cut", "cut", "whole"]


def test_an_upload_that_is_over_is_not_watched_any_more() -> None:
    async def scene() -> None:
        drain = DrainState()
        async with asyncio.timeout(60) as timeout:
            with drain.watched(timeout):
                pass
            drain.cut_uploads()
            await asyncio.sleep(0)

    asyncio.run(scene())
    with pytest.raises(RuntimeError):
        DrainState().cut_uploads()  # only on an event loop

"""Tests of the body reader: size limit, minimum rate and memory budget."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from petmood.core.errors import BadRequest, FileTooLarge, Overloaded, RequestError, RequestTimeout, ShuttingDown
from petmood.serving.drain import DrainState
from petmood.serving.uploads import BodyReader, MinUploadRate
from tests.support.clocks import Hours, played

FOR_EVER = float("inf")
PACE = MinUploadRate(grace_s=10, bytes_per_s=10)


async def stall() -> None:
    """Wait to be cut."""
    for _ in range(10):
        await asyncio.sleep(0)
    raise AssertionError("it was not cut")


class Sender:
    """ASGI receive channel; a number among the chunks is a pause in seconds, None a disconnect."""

    def __init__(self, pieces: Sequence[bytes | float | None]) -> None:
        self.pieces = list(pieces)

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Hours)
        while isinstance(piece := self.pieces.pop(0), float):
            await (loop.pass_by(piece) if piece < FOR_EVER else stall())
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


def read(
    *pieces: bytes | float | None, reader: BodyReader | None = None, declared: int | None = None, limit: int = 100
) -> bytes:
    """Read a body and check that no bytes are held afterwards."""
    reader = reader or BodyReader(DrainState(), held_bytes=1000, pace=PACE)

    async def scene(_: Hours) -> bytes:
        async with reader.body(Sender(pieces).receive, declared=declared, limit=limit) as body:
            assert reader.held == len(body)
            return body

    try:
        return played(scene)
    finally:
        assert reader.held == 0


def test_pieces_are_put_together() -> None:
    assert read(b"a", b"", b"bc") == b"abc"
    assert read(b"whole") == b"whole"
    assert read(b"") == b""


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    sender = Sender([b"x" * 101])
    reader = BodyReader(DrainState(), held_bytes=1000)

    async def scene(_: Hours) -> None:
        async with reader.body(sender.receive, declared=101, limit=100):
            raise AssertionError("unreachable")

    with pytest.raises(FileTooLarge, match="Expected a request body of at most"):
        played(scene)
    assert len(sender.pieces) == 1


@pytest.mark.parametrize(("limit", "shown"), [(4096, "4 kB"), (30_064_000, "30 MB")])
def test_the_limit_is_shown_in_a_unit_that_fits(limit: int, shown: str) -> None:
    with pytest.raises(FileTooLarge, match=f"at most {shown}, got more"):
        read(b"", declared=limit + 1, limit=limit)


@pytest.mark.parametrize("declared", [None, 5])
def test_a_body_that_turns_out_too_large_is_refused_whatever_it_said(declared: int | None) -> None:
    with pytest.raises(FileTooLarge):
        read(b"x" * 60, b"x" * 60, b"never read", declared=declared)


def test_all_bodies_together_are_bounded() -> None:
    reader = BodyReader(DrainState(), held_bytes=50)

    async def scene(_: Hours) -> None:
        async with reader.body(Sender([b"x" * 40]).receive, declared=None, limit=100):
            with pytest.raises(Overloaded):
                async with reader.body(Sender([b"x" * 20]).receive, declared=20, limit=100):
                    pass
            with pytest.raises(Overloaded):
                async with reader.body(Sender([b"x" * 20]).receive, declared=None, limit=100):
                    pass
            assert reader.held == 40

    played(scene)
    assert reader.held == 0


def test_a_trickle_is_refused_and_its_bytes_are_let_go() -> None:
    with pytest.raises(RequestTimeout, match=r"at least 0\.01 kB/s"):
        read(b"a", 9.0, b"b", 2.0, b"c")


def test_bytes_earn_time() -> None:
    pieces: list[bytes | float | None] = [piece for _ in range(5) for piece in (b"x" * 90, 8.0)]
    assert len(read(*pieces, b"end", limit=1000)) == 453
    with pytest.raises(RequestTimeout):
        read(*[piece for _ in range(5) for piece in (b"x" * 10, 8.0)], b"end", limit=1000)


def test_a_sender_who_goes_away_is_no_fault_of_ours() -> None:
    with pytest.raises(BadRequest, match="disconnected"):
        read(b"half", None)


def test_at_the_end_stalled_uploads_are_cut_and_later_ones_too() -> None:
    drain = DrainState()
    reader = BodyReader(drain, held_bytes=1000)

    async def scene(_: Hours) -> None:
        async def upload() -> None:
            async with reader.body(Sender([b"half", FOR_EVER, b"rest"]).receive, declared=None, limit=100):
                pass

        stalled = asyncio.create_task(upload())
        await asyncio.sleep(0)
        drain.cut_uploads()
        with pytest.raises(ShuttingDown):
            await stalled

    played(scene)
    assert reader.held == 0


def test_an_error_in_the_block_lets_the_bytes_go() -> None:
    reader = BodyReader(DrainState(), held_bytes=1000)

    async def scene(_: Hours) -> None:
        async with reader.body(Sender([b"x" * 40]).receive, declared=None, limit=100):
            raise RequestError("anything")

    with pytest.raises(RequestError):
        played(scene)
    assert reader.held == 0


def test_after_the_cut_a_piece_earns_no_time_any_more() -> None:
    drain = DrainState()
    reader = BodyReader(drain, held_bytes=1000)

    async def scene(_: Hours) -> None:
        sender = Sender([b"x" * 50, b"x" * 50, FOR_EVER, b"rest"])

        async def receive() -> dict[str, Any]:
            if len(sender.pieces) == 3:
                drain.cut_uploads()  # just as the second piece comes
            return await sender.receive()

        async with reader.body(receive, declared=None, limit=200):
            raise AssertionError("unreachable")

    with pytest.raises(ShuttingDown):
        played(scene)
    assert reader.held == 0


def test_what_says_that_it_is_small_counts_by_what_came() -> None:
    reader = BodyReader(DrainState(), held_bytes=50)
    with pytest.raises(Overloaded):
        read(b"x" * 60, reader=reader, declared=1)

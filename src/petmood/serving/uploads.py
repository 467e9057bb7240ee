"""Request body reader with a size limit, a minimum upload rate and a memory budget shared by all requests."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType

from starlette.types import Receive

from petmood.core.errors import BadRequest, FileTooLarge, Overloaded, RequestTimeout, ShuttingDown
from petmood.serving.drain import DrainState

__all__ = ["BodyReader", "MinUploadRate"]


@dataclass(frozen=True, slots=True)
class MinUploadRate:
    """Minimum upload rate: a body has ``grace_s`` seconds, plus one second for every ``bytes_per_s`` bytes received."""

    grace_s: float = 10.0
    bytes_per_s: float = 16_000.0


@dataclass(slots=True)
class BodyReader:
    """Reads request bodies; ``held_bytes`` limits the total size of all bodies in memory."""

    drain: DrainState
    held_bytes: int
    pace: MinUploadRate = MinUploadRate()
    held: int = field(default=0, init=False)

    def body(self, receive: Receive, *, declared: int | None, limit: int) -> "_Body":
        """Return a context manager that reads a body of up to ``limit`` bytes; its bytes count as held until exit.

        Raises (on entering):
            FileTooLarge: the declared or the received size exceeds ``limit``.
            RequestTimeout: the upload is slower than the minimum rate.
            Overloaded: the memory budget of the process is exhausted.
            ShuttingDown: the process shuts down before the body is complete.
            BadRequest: the client disconnected before the body was complete.
        """
        return _Body(self, receive, declared=declared, limit=limit)


class _Body:
    """Context manager for one body; a class instead of a generator for speed, as every request uses it."""

    def __init__(self, reader: BodyReader, receive: Receive, *, declared: int | None, limit: int) -> None:
        self._reader, self._receive = reader, receive
        self._declared, self._limit = declared, limit
        self._taken = 0

    async def __aenter__(self) -> bytes:
        declared, limit, reader = self._declared, self._limit, self._reader
        if declared is not None and declared > limit:
            raise _too_large(limit)
        if reader.held + (declared or 0) > reader.held_bytes:
            raise Overloaded("Too many uploads in progress. Try again in a second.")
        try:
            return await self._read()
        except BaseException:
            self._release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._reader.held -= self._taken
        self._taken = 0

    async def _read(self) -> bytes:
        """Return the complete body; every received chunk extends the deadline."""
        reader, pace, pieces = self._reader, self._reader.pace, list[bytes]()
        try:
            async with asyncio.timeout(pace.grace_s) as timeout:
                with reader.drain.watched(timeout):
                    while True:
                        message = await self._receive()
                        if message["type"] == "http.disconnect":
                            raise BadRequest("The client disconnected before the request body was complete.")
                        if piece := message.get("body", b""):
                            pieces.append(piece)
                            self._take(len(piece))
                        if not message.get("more_body", False):
                            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
                        deadline = timeout.when()
                        if deadline is not None and not reader.drain.cut:
                            timeout.reschedule(deadline + len(piece) / pace.bytes_per_s)
        except TimeoutError as error:
            if reader.drain.cut:
                raise ShuttingDown("This process is shutting down. Send the request again.") from error
            rate = f"{pace.bytes_per_s / 1000:g} kB/s"
            raise RequestTimeout(
                f"Expected an upload rate of at least {rate}, got less. Send a smaller copy."
            ) from error

    def _take(self, size: int) -> None:
        self._taken += size
        self._reader.held += size
        if self._taken > self._limit:
            raise _too_large(self._limit)
        if self._reader.held > self._reader.held_bytes:
            raise Overloaded("Too many uploads in progress. Try again in a second.")


def _too_large(limit: int) -> FileTooLarge:
    shown = f"{limit / 1e6:.0f} MB" if limit >= 1e6 else f"{limit / 1e3:.0f} kB"
    return FileTooLarge(f"Expected a request body of at most {shown}, got more. Send a smaller copy.")

"""Closed-loop and open-loop request generators over keep-alive connections."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final, cast

from petmood.serving.loadtest.photos import form

__all__ = [
    "BROKEN",
    "TIMED_OUT",
    "Connection",
    "Generator",
    "Load",
    "OpenLoop",
    "closed_loop",
    "open_loop",
    "request_bytes",
]

BROKEN, TIMED_OUT = 0, -1
MAX_RESTART_DELAY_S: Final = 0.01
"""Reconnection delay of a closed-loop client whose connection broke."""


@dataclass(frozen=True, slots=True)
class Load:
    """Load to send: ``clients`` in a closed loop, or ``rate`` requests per second over at most ``connections``.

    ``fresh`` opens a connection for every request; ``settle_s`` at the start of a closed loop isn't counted.
    """

    port: int
    photos: list[str]
    seconds: float
    clients: int = 0
    rate: float = 0.0
    connections: int = 500
    fresh: bool = False
    timeout_s: float = 10.0
    settle_s: float = 0.5
    field: str = "photo"
    path: str = "/predict"


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, done: Callable[["Connection", int], None]) -> None:
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self.due_s = 0.0
        self.busy = False
        self.closed = False
        self.sent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due_s: float) -> None:
        """Send a request whose scheduled time was ``due_s``."""
        self.due_s, self.busy, self.sent = due_s, True, True
        self._buffer.clear()
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Buffer until the response is complete; only status, length and "connection: close" are parsed."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or not self.busy:
            return
        head = bytes(self._buffer[:end]).lower() + b"\r\n"
        at = head.index(b"\r\ncontent-length:") + 17
        if len(self._buffer) < end + 4 + int(head[at : head.index(b"\r\n", at)]):
            return
        self.busy = False
        self.closed = b"\r\nconnection: close" in head
        if self.closed:
            self.drop()
        self._done(self, int(head[9:12]))

    def drop(self) -> None:
        """Close immediately."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Record a broken request if a response was pending."""
        self.closed = True
        if self.busy:
            self.busy = False
            self._done(self, BROKEN)


class Generator:
    """State of both loops: requests in rotation, and a record of every finished one."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.loop = asyncio.get_running_loop()
        self.requests = cycle([request_bytes(Path(photo).read_bytes(), load) for photo in load.photos])
        self.record: list[tuple[float, float, int]] = []
        self.unsent = 0
        self.began_s = time.perf_counter()
        self.ends_s = self.began_s + load.seconds
        self._opening: set[asyncio.Task[None]] = set()

    def note(self, due_s: float, status: int) -> float:
        """Record a request that ended now."""
        now = time.perf_counter()
        self.record.append((now, now - due_s, status))
        return now

    def open(self, done: Callable[[Connection, int], None], first: Callable[[Connection], None]) -> None:
        """Open a connection and call ``first`` with it; a rejected connection counts as broken."""

        async def connect() -> None:
            connection = Connection(done)
            try:
                await self.loop.create_connection(lambda: connection, "127.0.0.1", self.load.port)
            except OSError:
                connection.closed, connection.due_s = True, time.perf_counter()
                done(connection, BROKEN)
            else:
                first(connection)

        task = self.loop.create_task(connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)


async def closed_loop(load: Load) -> Generator:
    """Let every client send its next request after a response, until the time is over; then wait for pending responses.

    Without the wait, the service would still be busy with its queue during the next measurement.
    """
    made = Generator(load)
    under_way = 0

    def ask(connection: Connection) -> None:
        nonlocal under_way
        under_way += 1
        connection.send(next(made.requests), time.perf_counter())

    def done(connection: Connection, status: int) -> None:
        nonlocal under_way
        under_way -= connection.sent
        if made.note(connection.due_s, status) >= made.ends_s:
            connection.drop()
        elif connection.closed:
            made.loop.call_later(MAX_RESTART_DELAY_S, made.open, done, ask)
        else:
            ask(connection)

    for _ in range(load.clients):
        made.open(done, ask)
    await asyncio.sleep(load.seconds)
    while under_way > 0 and time.perf_counter() < made.ends_s + load.timeout_s:
        await asyncio.sleep(0.01)
    return made


async def open_loop(load: Load) -> Generator:
    """Send at a constant rate for the duration of the load, then wait for pending responses."""
    return await OpenLoop(load).run()


class OpenLoop:
    """Open loop at a constant rate; a request waits here if every connection is busy, which counts as latency."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.made = Generator(load)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: deque[float] = deque()
        self._opened = 0

    async def run(self) -> Generator:
        """Send for the duration of the load, then wait for pending responses."""
        load, began_s = self.load, self.made.began_s
        for number in range(round(load.rate * load.seconds)):
            due_s = began_s + number / load.rate
            if (ahead_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(ahead_s)
            self._start(due_s)
            if number % 50 == 0:
                self._give_up()
                await asyncio.sleep(0)
        while (self._busy or self._waiting) and time.perf_counter() < self.made.ends_s + load.timeout_s + 1:
            await asyncio.sleep(0.02)
            self._give_up()
        return self.made

    def _start(self, due_s: float) -> None:
        while self._idle:
            if not (connection := self._idle.pop()).closed:
                self._use(connection, due_s)
                return
            self._opened -= 1
        if self._opened < self.load.connections:
            self._opened += 1
            self.made.open(self._done, lambda connection: self._use(connection, due_s))
        else:
            self._waiting.append(due_s)

    def _use(self, connection: Connection, due_s: float) -> None:
        self._busy.add(connection)
        connection.send(next(self.made.requests), due_s)

    def _done(self, connection: Connection, status: int) -> None:
        self._busy.discard(connection)
        self.made.note(connection.due_s, status)
        if self.load.fresh or connection.closed:
            connection.drop()
            self._opened -= 1
            if self._waiting:
                self._start(self._waiting.popleft())
        elif self._waiting:
            self._use(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _give_up(self) -> None:
        late_s = time.perf_counter() - self.load.timeout_s
        for connection in [one for one in self._busy if one.due_s < late_s]:
            connection.busy = False
            connection.drop()
            self._done(connection, TIMED_OUT)
        while self._waiting and self._waiting[0] < late_s:
            self._waiting.popleft()
            self.made.unsent += 1


def request_bytes(photo: bytes, load: Load) -> bytes:
    """Return a complete request that posts a photo as a form."""
    body = form(photo, field=load.field)
    close = "Connection: close\r\n" if load.fresh else ""
    head = f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\n{close}"
    head += f"Content-Type: {body.content_type}\r\nContent-Length: {len(body.body)}\r\n\r\n"
    return head.encode() + body.body

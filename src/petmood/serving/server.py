"""How does the app run? In uvicorn on uvloop; a signal drains it first, and it ends with 0 in time."""

import asyncio
import contextlib
import ctypes
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from petmood.core.errors import ConfigError
from petmood.serving.drain import DrainState
from petmood.serving.protocol import protocol_for
from petmood.serving.settings import Settings

__all__ = ["DrainingServer", "bind", "config_for", "configure_malloc", "serve"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 4_000_000


class DrainingServer(uvicorn.Server):
    """uvicorn's server, ending in steps: unready but answering, then closed to new work, then uploads cut, then over.

    uvicorn itself stops listening at once, waits for stalled uploads, and dies by the signal rather than with 0.
    """

    def __init__(self, config: uvicorn.Config, *, drain: DrainState, settings: Settings) -> None:
        super().__init__(config)
        self._drain, self._settings = drain, settings
        self._closes_at: float | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving; afterwards the process ends with 0, having done what it was told."""
        if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        """Begin to end; a second Ctrl-C ends at once."""
        if self._closes_at is not None and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        elif self._closes_at is None:
            self._drain.begin()
            self._closes_at = time.monotonic() + self._settings.drain_notice_s

    async def on_tick(self, counter: int) -> bool:
        """Go on until the notice is over."""
        if self._closes_at is not None and time.monotonic() >= self._closes_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let work in flight finish, and cut uploads that are still stalled halfway through."""
        cut = asyncio.get_running_loop().call_later(self._settings.drain_s / 2, self._drain.cut_uploads)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"Can't listen on {host}:{port} ({reason}). Give another --port or --host.") from error


def serve(app: FastAPI, *, sockets: Sequence[socket.socket], settings: Settings, drain: DrainState) -> None:
    """Serve an app until a signal comes; returns when everything is answered or cut."""
    configure_malloc()
    DrainingServer(config_for(app, settings), drain=drain, settings=settings).run(sockets=list(sockets))


def configure_malloc() -> None:
    """Let the C library return a large picture's memory to the system when it is freed.

    glibc keeps more and more of it as pictures get larger: after one of 64 megapixels, 790 MB. Elsewhere there is
    nothing to set.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def config_for(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn shall run an app: uvloop, our bounds on connections, and no log of its own."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol_for(settings, refused=lambda code: app.state.service.metrics.errors.labels(code).inc()),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.idle_timeout_s,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        forwarded_allow_ips=settings.trusted_proxies,
    )

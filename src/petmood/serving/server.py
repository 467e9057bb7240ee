"""uvicorn server with graceful shutdown: drains on SIGTERM and SIGHUP, and exits with status 0."""

import asyncio
import contextlib
import ctypes
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from petmood.serving.drain import DrainState
from petmood.serving.heartbeat import send_heartbeats
from petmood.serving.protocol import protocol_for
from petmood.serving.settings import Settings

__all__ = ["DrainingServer", "config_for", "configure_malloc", "serve"]

HANGUP = getattr(signal, "SIGHUP", None)
"""Windows has no hangup signal."""
SIGNALS = tuple(number for number in (signal.SIGTERM, signal.SIGINT, HANGUP) if number is not None)
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 4_000_000


class DrainingServer(uvicorn.Server):
    """uvicorn server that shuts down in steps: report not ready, stop listening, cut stalled uploads, exit.

    uvicorn itself stops listening immediately, waits for stalled uploads, and re-raises the signal instead of exiting
    with status 0.
    """

    def __init__(
        self, config: uvicorn.Config, *, drain: DrainState, settings: Settings, supervisor: socket.socket | None = None
    ) -> None:
        super().__init__(config)
        self._drain, self._settings, self._supervisor = drain, settings, supervisor
        self._closes_at: float | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving without re-raising them afterwards, so that the process exits with status 0."""
        if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
            yield
            return
        numbers = [number for number in SIGNALS if not _is_ignored(number)]
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        """Start draining; a second Ctrl-C exits immediately."""
        if self._closes_at is not None and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        elif self._closes_at is None:
            self._drain.begin()
            self._closes_at = time.monotonic() + self._settings.drain_notice_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, and send heartbeats to the supervisor, if there is one."""
        await super().startup(sockets)
        if self._supervisor is not None:
            self._heartbeats = asyncio.create_task(send_heartbeats(self._supervisor))

    async def on_tick(self, counter: int) -> bool:
        """Keep serving until the drain notice period is over."""
        if self._closes_at is not None and time.monotonic() >= self._closes_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests in flight finish, and cut stalled uploads after half of ``drain_s``."""
        cut = asyncio.get_running_loop().call_later(self._settings.drain_s / 2, self._drain.cut_uploads)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()


def serve(
    app: FastAPI,
    *,
    sockets: Sequence[socket.socket],
    settings: Settings,
    drain: DrainState,
    supervisor: socket.socket | None = None,
) -> None:
    """Serve an application until a signal arrives; return when all requests are completed or cut.

    ``supervisor`` is the connection for heartbeats of one of several processes.
    """
    configure_malloc()
    config = config_for(app, settings)
    DrainingServer(config, drain=drain, settings=settings, supervisor=supervisor).run(sockets=list(sockets))


def _is_ignored(number: signal.Signals) -> bool:
    """Return whether the process was started with the hangup signal ignored, as by nohup; that choice is kept."""
    return number == HANGUP and signal.getsignal(number) == signal.SIG_IGN


def configure_malloc() -> None:
    """Fix glibc's mmap threshold, so that the memory of large images is returned to the system when freed.

    By default glibc raises the threshold as images get larger; after one of 64 megapixels it keeps 790 MB. Does
    nothing with other C libraries.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # TypeError: Windows has no library of that name
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def config_for(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return the uvicorn configuration: uvloop, the bounded protocol, and uvicorn's own logging disabled."""
    return uvicorn.Config(
        app,
        loop="asyncio" if sys.platform == "win32" else "uvloop",  # uvloop is not made for Windows
        http=protocol_for(settings, refused=lambda code: app.state.service.metrics.errors.labels(code).inc()),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.idle_timeout_s,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        forwarded_allow_ips=settings.trusted_proxies,
        proxy_headers=False,  # it takes any text as an address; AuthMiddleware reads X-Forwarded-For
    )

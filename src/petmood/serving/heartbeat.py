"""Connection of a server process with its supervisor: heartbeats one way, the end of the supervisor the other."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from typing import Final

from petmood.core.parent_process import end_with_parent

__all__ = ["HEARTBEAT_S", "HEARTBEAT_SOCKET", "end_with_supervisor", "open_heartbeat", "send_heartbeats"]

HEARTBEAT_SOCKET: Final = "PETMOOD_HEARTBEAT_SOCKET"
"""Environment variable with the number of the inherited socket."""
HEARTBEAT_S: Final = 1.0


def open_heartbeat() -> socket.socket | None:
    """Return the socket to the supervisor, removed from the environment; None for a process without a supervisor."""
    given = os.environ.pop(HEARTBEAT_SOCKET, None)
    if given is None:
        return None
    connection = socket.socket(fileno=int(given))
    connection.set_inheritable(False)
    return connection


def end_with_supervisor(connection: socket.socket) -> None:
    """Send this process SIGTERM when the supervisor has ended, even by SIGKILL.

    On Linux the kernel sends the signal, also while this process is busy in C code. Everywhere a thread waits for the
    end of the connection.
    """
    end_with_parent()
    threading.Thread(target=_wait_for_the_end, args=(connection,), name="petmood-supervisor", daemon=True).start()


def _wait_for_the_end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


async def send_heartbeats(connection: socket.socket) -> None:
    """Send a byte every second, as long as the event loop runs; the first one says that the process is ready."""
    while True:
        with contextlib.suppress(OSError):  # the supervisor has ended, or does not read now
            connection.send(b".", socket.MSG_DONTWAIT)
        await asyncio.sleep(HEARTBEAT_S)

"""Tests of a server process's connection to its supervisor."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys

import pytest

from petmood.serving import heartbeat
from petmood.serving.heartbeat import HEARTBEAT_SOCKET, end_with_supervisor, open_heartbeat, send_heartbeats
from tests.support.waiting import wait_until

WAITS = """
import ctypes, time
ctypes.CDLL = lambda *_: None  # a system without the signal of Linux
from petmood.serving.heartbeat import end_with_supervisor, open_heartbeat
end_with_supervisor(open_heartbeat())
print("waits", flush=True)
time.sleep(600)
"""


def test_a_process_without_a_supervisor_has_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_SOCKET, raising=False)
    assert open_heartbeat() is None


def test_the_inherited_socket_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setenv(HEARTBEAT_SOCKET, str(os.dup(theirs.fileno())))
    theirs.close()
    found = open_heartbeat()
    assert found is not None
    assert HEARTBEAT_SOCKET not in os.environ
    assert not found.get_inheritable()
    found.send(b"x")
    assert ours.recv(9) == b"x"
    ours.close()
    found.close()


def test_heartbeats_go_on_also_when_nobody_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0)
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

    async def beat(turns: int) -> None:
        task = asyncio.create_task(send_heartbeats(theirs))
        for _ in range(turns):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(beat(3))
    assert ours.recv(99).startswith(b".")
    asyncio.run(beat(5000))  # more than the buffer holds
    ours.close()
    asyncio.run(beat(3))
    theirs.close()


@pytest.mark.posix
@pytest.mark.spawns
def test_a_process_ends_with_its_supervisor_also_where_the_kernel_sends_no_signal() -> None:
    ours, theirs = socket.socketpair()
    environment = {**os.environ, HEARTBEAT_SOCKET: str(theirs.fileno())}
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], env=environment, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE
    ) as child:
        try:
            theirs.close()
            assert child.stdout is not None
            assert child.stdout.readline() == b"waits\n"
            assert child.poll() is None
            ours.close()
            assert child.wait(timeout=60) == -signal.SIGTERM
        finally:
            child.kill()


def test_the_signal_of_linux_is_asked_for_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    class Library:
        """A C library with prctl."""

        @staticmethod
        def prctl(*wish: int) -> None:
            asked.append(wish)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    ours, theirs = socket.socketpair()
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *call: ended.append(call))
    monkeypatch.setattr(sys, "platform", "darwin")
    end_with_supervisor(theirs)
    assert asked == []
    monkeypatch.setattr(sys, "platform", "linux")
    end_with_supervisor(theirs)
    assert asked == [(1, signal.SIGTERM)]
    ours.close()
    wait_until(lambda: ended == [(os.getpid(), signal.SIGTERM)] * 2)
    theirs.close()

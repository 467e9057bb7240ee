"""Commands in the processes of torchrun: the first one does what the command does, the others help it train."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from petmood.core.parent_process import end_with_parent
from petmood.core.world import read_world

__all__ = ["in_every_process"]

SIGTERM_STATUS = 128 + signal.SIGTERM


def in_every_process(work: Callable[[], None]) -> None:
    """Call ``work``; of several processes, in the first one alone, which the others help to train.

    After an error of ``work`` the others end with 0, so that torchrun takes the first one for the cause.

    Raises:
        PetmoodError: as ``work``, or another process ended.
    """
    world = read_world(os.environ)
    if world.size == 1:
        work()
        return
    from petmood.pipelines.training_processes import conduct, lost_message  # imports torch

    end_with_parent()
    with _ended_by_sigterm(lost_message) as say_nothing:
        conduct(world, work, on_last=say_nothing)


@contextmanager
def _ended_by_sigterm(message: Callable[[], str]) -> Iterator[Callable[[], object]]:
    """End this process on SIGTERM with one line, also while it waits in C code for a process that has ended.

    Python runs no handler then; but the interpreter writes the number of the signal to a socket, which a thread reads.
    torchrun sends SIGTERM to all processes when one has ended. Yields what to call when the line would be wrong.
    """
    reading, writing = socket.socketpair()
    writing.settimeout(0)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    said = threading.Lock()

    def watch() -> None:
        while (numbers := reading.recv(64)) and signal.SIGTERM not in numbers:
            pass
        if numbers:
            if said.acquire(blocking=False):
                sys.stderr.write(f"petmood: {message()}\n")
                sys.stderr.flush()
            os._exit(SIGTERM_STATUS)

    thread = threading.Thread(target=watch, name="petmood-sigterm", daemon=True)
    thread.start()
    try:
        yield lambda: said.acquire(blocking=False)
    finally:
        said.acquire(blocking=False)  # from here on the command line says what happened
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, before)
        writing.close()
        thread.join()
        reading.close()

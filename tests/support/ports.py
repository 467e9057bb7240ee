"""TCP ports for test servers, unique among test processes and outside the range of ephemeral client ports."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

LOWEST: Final = 15_000
HIGHEST: Final = 60_000
EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")

_reserved: set[int] = set()


def free_port() -> int:
    """Reserve a port of 127.0.0.1 until this process ends, and return it.

    A port that the kernel chose for a socket may be taken again by anybody between that socket's end and the server's
    start, or while the server restarts. So ports are taken from below the range that the kernel chooses from, and each
    is locked among the processes of this user, as one byte of a common file.
    """
    ports = list(range(LOWEST, _first_ephemeral_port()))
    random.SystemRandom().shuffle(ports)
    for port in ports:
        if port not in _reserved and _lock(port):
            _reserved.add(port)  # a process is not kept out by its own locks
            if _is_free(port):
                return port
    raise OSError("no free port below the kernel's range")


@cache
def _lock_file() -> int:
    path = Path(tempfile.gettempdir()) / f"petmood-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(port: int) -> bool:
    try:
        fcntl.lockf(_lock_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _first_ephemeral_port() -> int:
    try:
        first = int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return HIGHEST
    return first if first > LOWEST + 1000 else HIGHEST

"""Locks of trials, as files or PostgreSQL advisory locks, which the system releases when their process dies.

A trial that is marked as running but whose lock is free was left by a process that died, and may be resumed. There are
no heartbeats or timeouts: a kill is noticed at once, and a machine that slept keeps its trial.
"""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

__all__ = ["FileTrialLocks", "PostgresTrialLocks", "TrialLocks"]

DECIDING: Final = -1
"""The lock number that lets one process at a time allocate the next trial."""


class TrialLocks(Protocol):
    """Locks of the trials of one search."""

    def allocation_lock(self) -> AbstractContextManager[None]:
        """Hold the lock for allocating trials during the block; wait until it is free."""
        ...

    def take(self, number: int) -> bool:
        """Acquire the lock of a trial without waiting; return whether this succeeded."""
        ...

    def release(self, number: int) -> None:
        """Release the lock of a trial."""
        ...

    def close(self) -> None:
        """Release all locks."""
        ...


class FileTrialLocks:
    """Lock files in a folder beside a SQLite file (POSIX record locks, which child processes don't inherit)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def allocation_lock(self) -> Iterator[None]:
        """Hold the allocation lock; wait until it is free."""
        handle = self._open(DECIDING)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def take(self, number: int) -> bool:
        """Lock the file of a trial without waiting; return whether this succeeded."""
        if number in self._held:
            return True
        handle = self._open(number)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._held[number] = handle
        return True

    def release(self, number: int) -> None:
        """Unlock the file of a trial."""
        os.close(self._held.pop(number))

    def close(self) -> None:
        """Unlock all files."""
        for number in list(self._held):
            self.release(number)

    def _open(self, number: int) -> int:
        name = "deciding" if number == DECIDING else str(number)
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


class PostgresTrialLocks:
    """Advisory locks of one PostgreSQL session, which the server releases when the session's process dies.

    They belong to the session, so they don't work through a connection pooler that shares sessions.
    """

    def __init__(self, engine: Engine, *, study: str) -> None:
        self._session: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._key = zlib.crc32(study.encode()) - 2**31

    @contextmanager
    def allocation_lock(self) -> Iterator[None]:
        """Hold the allocation lock; wait until it is free."""
        self._call("pg_advisory_lock", DECIDING)
        try:
            yield
        finally:
            self.release(DECIDING)

    def take(self, number: int) -> bool:
        """Lock a trial without waiting; return whether this succeeded."""
        return bool(self._call("pg_try_advisory_lock", number))

    def release(self, number: int) -> None:
        """Unlock a trial."""
        self._call("pg_advisory_unlock", number)

    def close(self) -> None:
        """Release all locks and close the session; the server takes a moment to notice that."""
        self._session.execute(text("SELECT pg_advisory_unlock_all()"))
        self._session.invalidate()
        self._session.close()

    def _call(self, function: str, number: int) -> object:
        called = text(f"SELECT {function}(CAST(:key AS integer), CAST(:number AS integer))")
        return self._session.execute(called, {"key": self._key, "number": number}).scalar()

"""Who runs which trial? Whoever holds its lock; a lock dies with its process, so that a trial is never lost or shared.

A trial that is marked as running but whose lock is free was left by a process that died, and may be gone on with.
No clock decides: a kill is seen at once, and a machine that slept keeps its trial.
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
"""The number whose lock lets one process at a time decide what to run next."""


class TrialLocks(Protocol):
    """The locks of one search."""

    def allocation_lock(self) -> AbstractContextManager[None]:
        """Wait until no other process decides what to run next, and keep others from it for the block."""
        ...

    def take(self, number: int) -> bool:
        """Take a trial's lock, and tell whether it was free."""
        ...

    def release(self, number: int) -> None:
        """Let a trial's lock go."""
        ...

    def close(self) -> None:
        """Let every lock go."""
        ...


class FileTrialLocks:
    """Locks of files in a folder beside a SQLite file (POSIX record locks: a child doesn't inherit them)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def allocation_lock(self) -> Iterator[None]:
        """Wait for the one lock of decisions."""
        handle = self._open(DECIDING)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def take(self, number: int) -> bool:
        """Lock a trial's file without waiting."""
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
        """Unlock a trial's file."""
        os.close(self._held.pop(number))

    def close(self) -> None:
        """Unlock every file."""
        for number in list(self._held):
            self.release(number)

    def _open(self, number: int) -> int:
        name = "deciding" if number == DECIDING else str(number)
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


class PostgresTrialLocks:
    """Advisory locks of one session of PostgreSQL, which frees them when the session's process dies.

    They belong to the session, so a pooler that hands sessions around must not stand between.
    """

    def __init__(self, engine: Engine, *, study: str) -> None:
        self._session: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._key = zlib.crc32(study.encode()) - 2**31

    @contextmanager
    def allocation_lock(self) -> Iterator[None]:
        """Wait for the one lock of decisions."""
        self._ask("pg_advisory_lock", DECIDING)
        try:
            yield
        finally:
            self.release(DECIDING)

    def take(self, number: int) -> bool:
        """Lock a trial without waiting."""
        return bool(self._ask("pg_try_advisory_lock", number))

    def release(self, number: int) -> None:
        """Unlock a trial."""
        self._ask("pg_advisory_unlock", number)

    def close(self) -> None:
        """Let every lock go, and end the session; the server takes a moment to notice its end."""
        self._session.execute(text("SELECT pg_advisory_unlock_all()"))
        self._session.invalidate()
        self._session.close()

    def _ask(self, function: str, number: int) -> object:
        called = text(f"SELECT {function}(CAST(:key AS integer), CAST(:number AS integer))")
        return self._session.execute(called, {"key": self._key, "number": number}).scalar()

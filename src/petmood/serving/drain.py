"""Shutdown state of the process: draining has begun, and stalled uploads are cut."""

import asyncio
from types import TracebackType

__all__ = ["DrainState"]


class DrainState:
    """Shutdown state of one process; call its methods from the event loop's thread only."""

    def __init__(self) -> None:
        self._begun = self._cut = False
        self._uploads: set[asyncio.Timeout] = set()

    @property
    def begun(self) -> bool:
        """Whether draining has begun, so the process is no longer ready."""
        return self._begun

    @property
    def cut(self) -> bool:
        """Whether running uploads have been cut."""
        return self._cut

    def begin(self) -> None:
        """Start draining: the process reports that it is not ready."""
        self._begun = True

    def cut_uploads(self) -> None:
        """Expire the deadline of every running upload; later deadlines are no longer extended."""
        self._begun = self._cut = True
        now = asyncio.get_running_loop().time()
        for timeout in self._uploads:
            timeout.reschedule(now)

    def watched(self, timeout: asyncio.Timeout) -> "_Watched":
        """Return a context in which ``cut_uploads`` can expire an upload's deadline."""
        return _Watched(self._uploads, timeout)


class _Watched:
    def __init__(self, uploads: set[asyncio.Timeout], timeout: asyncio.Timeout) -> None:
        self._uploads, self._timeout = uploads, timeout

    def __enter__(self) -> None:
        self._uploads.add(self._timeout)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uploads.discard(self._timeout)

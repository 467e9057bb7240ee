"""How does the service come to an end? It says so, lets what is under way finish, and cuts what trickles in."""

import asyncio
from types import TracebackType

__all__ = ["DrainState"]


class DrainState:
    """Whether the process is about to end; its methods are called from the event loop's thread."""

    def __init__(self) -> None:
        self._begun = self._cut = False
        self._uploads: set[asyncio.Timeout] = set()

    @property
    def begun(self) -> bool:
        """Whether no new work should come."""
        return self._begun

    @property
    def cut(self) -> bool:
        """Whether uploads have been cut."""
        return self._cut

    def begin(self) -> None:
        """Say from now on that the process is about to end."""
        self._begun = True

    def cut_uploads(self) -> None:
        """End every upload that is still under way, and every later one at once."""
        self._begun = self._cut = True
        now = asyncio.get_running_loop().time()
        for timeout in self._uploads:
            timeout.reschedule(now)

    def watched(self, timeout: asyncio.Timeout) -> "_Watched":
        """Let an upload's deadline be moved forward while the returned context lasts."""
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

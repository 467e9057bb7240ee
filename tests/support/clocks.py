"""Event loop whose clock is advanced by the test, so that no test waits."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hours(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved by hand; whoever sleeps on it otherwise sleeps for ever."""

    now = 0.0

    def time(self) -> float:
        """Return the time that was set, in seconds."""
        return self.now

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.now += seconds
        for _ in range(3):  # a timer fires in the first round, who waited for it goes on in the second
            await asyncio.sleep(0)


def played(scene: Callable[[Hours], Coroutine[Any, Any, T]]) -> T:
    """Play a scene on an event loop whose clock it moves."""
    with asyncio.Runner(loop_factory=Hours) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Hours)
        return runner.run(scene(loop))

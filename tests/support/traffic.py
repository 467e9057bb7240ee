"""Well-behaved clients in the background: constant rate, kept connections, and a record of every response."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.served import ANSWER_S, Answer, Served, exchange
from tests.support.waiting import wait_until

CLIENTS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when it was asked, when that ended, and its answer, or how the connection failed."""

    at: float
    ended: float
    answer: Answer | None
    failure: str = ""


@dataclass(slots=True)
class Traffic:
    """What was asked so far."""

    asked: list[Asked] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def failed(self, *, ended_before: float = float("inf")) -> list[Asked]:
        """Return what had ended before a moment, but not with an answer of 200."""
        ended = [one for one in self.asked if one.ended < ended_before]
        return [one for one in ended if one.answer is None or one.answer.status != 200]

    def wait_for_more(self, count: int = 10) -> None:
        """Wait until so many questions have been both asked and answered from now on."""
        now = time.monotonic()
        wait_until(lambda: sum(one.at > now for one in list(self.asked)) >= count, what=f"{count} more answers")

    def models(self, *, since: float = 0.0, until: float = float("inf")) -> set[str]:
        """Return the SHA-256 of what answered the questions that were asked and answered between two moments."""
        between = [one for one in self.asked if since < one.at and one.ended < until]
        return {one.answer.body["model"]["sha256"] for one in between if one.answer}

    def run(self, served: Served, photo: bytes, every_s: float) -> None:
        """Ask until told to stop."""
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=ANSWER_S)
        next_at = time.monotonic()
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                answer = exchange(connection, "/predict", method="POST", body=photo)
                self.asked.append(Asked(began, time.monotonic(), answer))
            except (OSError, http.client.HTTPException) as error:
                self.asked.append(Asked(began, time.monotonic(), None, repr(error)))
                connection.close()
            next_at = max(next_at + every_s, time.monotonic() - 1)
            self.stop.wait(max(0.0, next_at - time.monotonic()))
        connection.close()


@contextmanager
def steady(served: Served, photo: bytes, *, per_s: float = 50, clients: int = CLIENTS) -> Iterator[Traffic]:
    """Let clients ask together ``per_s`` times a second meanwhile."""
    traffic = Traffic()
    arguments = (served, photo, clients / per_s)
    threads = [threading.Thread(target=traffic.run, args=arguments) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        traffic.stop.set()
        for thread in threads:
            thread.join()

"""Impact of hostile clients on others: slow connections and files that are slow to decode.

Both turns of a ratio are measured on the same service, so that load on the machine slows both alike.
"""

import contextlib
import http.client
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.load import Load, Measured, measure
from benchmarks.machine import QUIET, Turn, quiet, watched
from benchmarks.services import Service, ours, running
from tests.integration.service.hostile import mutated, scan_bomb, smooth_jpeg
from tests.support.images import jpeg, photo_like
from tests.support.served import form

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "6"))
HEADERS, BODIES = 200, 50
MUTATIONS: Final = 200
FORM_BYTES: Final = 25_000_000
TIMES: Final = 2.0
"""Maximum latency with hostile clients, as a multiple of that without them."""


def main(backbone: str = "mobilenet_v3_small") -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        photos = write_photos(Path(name) / "photos", count=8, width=800, height=600)
        bundle = make_bundle(backbone, Path(name) / "bundle")
        with running(ours(bundle), photo=Path(photos[0]).read_bytes()) as service:
            _report_trickle(service, photos)
            _report_files(service)
            _report_forms(service)


def _report_trickle(service: Service, photos: list[str]) -> None:
    _load(service, photos, 1)
    rounds = []
    for _ in range(ROUNDS):
        alone = _load(service, photos, SECONDS)
        with _trickling(service.port):
            rounds.append((alone, _load(service, photos, SECONDS)))
    ratios = [crowded.found.p99_ms(200) / alone.found.p99_ms(200) for alone, crowded in rounds]
    calm = sum(quiet(*both) for both in rounds)
    report(
        f"service, p99 of good clients: beside {HEADERS + BODIES} connections that trickle / alone",
        ratio=statistics.median(ratios),
        target=TIMES,
        details={
            "ratios": [round(ratio, 2) for ratio in ratios],
            "alone_p99_ms": [round(alone.found.p99_ms(200), 1) for alone, _ in rounds],
            "strangers": [[alone.other_load, crowded.other_load] for alone, crowded in rounds],
        },
        conditions={
            "every answer is 200": all(set(one.found.counts) == {200} for both in rounds for one in both),
            f"strangers took at most {QUIET:.0%} of the processors in half of the rounds": 2 * calm >= len(rounds),
        },
    )


def _load(service: Service, photos: list[str], seconds: float) -> Turn[Measured]:
    load = Load(service.port, photos, seconds=seconds, clients=2, field=service.field, timeout_s=60)
    return watched(lambda: measure(load), pids=[service.process.pid])


@contextlib.contextmanager
def _trickling(port: int) -> Iterator[None]:
    """Hold connections open during the block, each with a request that sends one byte per second."""
    stop, crowd = threading.Event(), list[socket.socket]()
    for number in range(HEADERS + BODIES):
        crowd.append(socket.create_connection(("127.0.0.1", port)))
        rest = b"X: " if number < HEADERS else b"Content-Length: 100000\r\n\r\n"
        crowd[-1].sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + rest)

    def go_on() -> None:
        while not stop.wait(1):
            for one in crowd:
                with contextlib.suppress(OSError):
                    one.send(b"a")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for one in crowd:
            one.close()


def _report_files(service: Service) -> None:
    honest, bomb = smooth_jpeg(2000, 2000), scan_bomb(2000)
    pairs = [(service.ask(bomb), service.ask(honest)) for _ in range(ROUNDS)]
    report(
        "service: a JPEG of 60,000 scans / an honest one of as many pixels",
        ratio=statistics.median(one[1] for one, _ in pairs) / statistics.median(two[1] for _, two in pairs),
        target=1.0,
        details={"hostile_ms": _ms([one[1] for one, _ in pairs]), "honest_ms": _ms([two[1] for _, two in pairs])},
        conditions={"it is refused": {one[0] for one, _ in pairs} == {422}},
    )
    rng, original = np.random.default_rng(0), jpeg(photo_like(320, 240))
    took = [(service.ask(mutated([original], rng))[1], service.ask(original)[1]) for _ in range(MUTATIONS)]
    broken, whole = (float(np.quantile(seconds, 0.99)) for seconds in zip(*took, strict=True))
    report(
        "service, p99: mutated JPEGs / whole ones",
        ratio=broken / whole,
        target=TIMES,
        details={"mutated_ms": _ms([broken]), "whole_ms": _ms([whole])},
    )


def _report_forms(service: Service) -> None:
    pieces = {"line ends": b"\r\n", "a boundary cut short": b"\r\n--edg", "dashes": b"\r\n-"}
    for name, piece in pieces.items():
        rounds = [(_post(service.port, piece), _post(service.port, b"\0")) for _ in range(ROUNDS)]
        hostile, plain = ([one[side] for one in rounds] for side in (0, 1))
        report(
            f"service, form of 25 MB: {name} everywhere / zeros",
            ratio=statistics.median(hostile) / statistics.median(plain),
            target=TIMES,
            details={"hostile_ms": _ms(hostile), "plain_ms": _ms(plain)},
        )


def _post(port: int, piece: bytes) -> float:
    body, kind = form(piece * (FORM_BYTES // len(piece)))
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=300)) as connection:
        began = time.perf_counter()
        connection.request("POST", "/predict", body=body, headers={"Content-Type": kind})
        connection.getresponse().read()
        return time.perf_counter() - began


def _ms(seconds: Sequence[float]) -> list[float]:
    return [round(one * 1e3, 1) for one in seconds]


if __name__ == "__main__":
    main()

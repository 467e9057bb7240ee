"""Load generator with little overhead: requests are built beforehand, and responses are hardly parsed.

Closed loop: a number of clients, each sending its next request after a response. Open loop: a constant request rate,
with latency measured from the scheduled time. Runs in a separate process; `measure` starts it.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from benchmarks.loops import Generator, Load, closed_loop, open_loop
from petmood.serving.loadtest.steps import percentile

__all__ = ["Load", "Measured", "main", "measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Successful responses (2xx) per second; counts and p50, p95, p99 in ms by status (0 is broken, -1 timed out)."""

    answered_per_s: float
    counts: dict[int, int]
    ms: dict[int, tuple[float, float, float]]
    unsent: int
    client_cpu_s: float

    def p99_ms(self, *statuses: int) -> float:
        """Return the highest p99 of these statuses; 0 if none occurred."""
        return max((self.ms[status][2] for status in statuses if status in self.ms), default=0.0)


def summary(made: Generator) -> dict[str, Any]:
    """Summarize the record; throughput excludes the settling time of a closed loop and responses after the end."""
    load, from_s = made.load, made.began_s + (made.load.settle_s if made.load.clients else 0.0)
    took: dict[int, list[float]] = {}
    for ended_s, seconds, status in made.record:
        if ended_s >= from_s:
            took.setdefault(status, []).append(seconds * 1e3)
    good = [ended_s for ended_s, _, status in made.record if 200 <= status < 300 and from_s <= ended_s <= made.ends_s]
    shares = (0.50, 0.95, 0.99)
    return {
        "answered_per_s": len(good) / (load.seconds - (from_s - made.began_s)),
        "counts": {status: len(ms) for status, ms in sorted(took.items())},
        "ms": {status: [percentile(ms, share) for share in shares] for status, ms in sorted(took.items())},
        "unsent": made.unsent,
        "client_cpu_s": round(sum(os.times()[:2]), 2),
    }


def measure(load: Load) -> Measured:
    """Run a load against a service from another process, and return the measurements."""
    command = [sys.executable, "-m", "benchmarks.load"]
    text = json.dumps(asdict(load))
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    counts = {int(status): count for status, count in found["counts"].items()}
    ms = {int(status): tuple(values) for status, values in found["ms"].items()}
    return Measured(**{**found, "counts": counts, "ms": ms})


def main(arguments: Sequence[str] = ()) -> None:
    """Run the load given on standard input as JSON, or as ``clients=8 port=...`` among the arguments."""
    text = "{" + ",".join(f'"{name}":{value}' for name, _, value in (one.partition("=") for one in arguments)) + "}"
    load = Load(**json.loads(text if arguments else sys.stdin.read()))
    gc.disable()
    made_by = closed_loop if load.clients else open_loop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        made = runner.run(made_by(load))
        print(json.dumps(summary(made)))


if __name__ == "__main__":
    main(sys.argv[1:])

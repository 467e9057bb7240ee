"""Services that run at once and take turns of the same load, so that load on the machine slows all alike."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load import Load, measure
from benchmarks.machine import watched
from benchmarks.services import Service

__all__ = ["Cost", "in_turns", "median_of"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a service took in one turn: answers per second, median latency, and processor time for each answer."""

    per_s: float
    p50_ms: float
    cpu_us: float


def in_turns(
    services: Sequence[Service], photos: Sequence[str], *, rounds: int, seconds: float, clients: int
) -> list[list[Cost]]:
    """Return the costs of every service in each round, in the order of the services; the turns alternate in order."""
    costs = []
    for number in range(rounds):
        order = range(len(services)) if number % 2 else reversed(range(len(services)))
        found = {at: _turn(services[at], photos, seconds=seconds, clients=clients) for at in order}
        costs.append([found[at] for at in range(len(services))])
    return costs


def median_of(costs: Sequence[Sequence[Cost]], compared: Callable[[Cost, Cost], float], *, at: int = 1) -> float:
    """Return the median over the rounds of a comparison of a service with the first, such as a ratio."""
    return statistics.median(compared(one[at], one[0]) for one in costs)


def _turn(service: Service, photos: Sequence[str], *, seconds: float, clients: int) -> Cost:
    load = Load(service.port, list(photos), seconds=seconds, clients=clients, field=service.field, timeout_s=60)
    turn = watched(lambda: measure(load), pids=[service.process.pid])
    found = turn.found
    if set(found.counts) != {200}:
        raise RuntimeError(f"Expected answers with status 200 alone, got {found.counts}.")
    return Cost(found.answered_per_s, found.ms[200][0], 1e6 * turn.cpu_s / found.counts[200])

"""Prediction of shards as tasks of Ray Core, on the machines of a cluster that share the folder."""

import itertools
import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from petmood.core.errors import ServiceUnreachable
from petmood.core.extras import require
from petmood.inference.shard_plan import ShardPlan
from petmood.inference.shards import Attempt, after_kill, predict_shard

__all__ = ["run_on_ray"]

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 1000
"""Number of tasks that the cluster has at a time; Ray checks all of them for each that ends."""
USAGE_STATS: Final = "RAY_USAGE_STATS_ENABLED"
CONNECT_S: Final = 10.0


def run_on_ray(plan: ShardPlan, shards: Sequence[int], *, address: str, threads: int = 1) -> Iterator[int]:
    """Predict shards as tasks of a Ray cluster, of ``threads`` processors each; yield a shard's number when it is done.

    ``address`` is as for ``ray.init``: "auto" on a machine of the cluster, or HOST:PORT. Every machine has petmood, and
    the folders of the plan and the photos at the same paths. A shard whose process or machine is lost is tried again,
    by ``after_kill``.

    Raises:
        ServiceUnreachable: there is no cluster at the address.
        MissingDependency: ray is not installed.
        WorkerKilled: the processes of a shard were killed again and again.
        PetmoodError, OSError: as ``predict_shard``.
    """
    waiting = deque(Attempt(number) for number in shards)
    running: dict[Any, Attempt] = {}
    with _connected(address) as ray:
        task = ray.remote(num_cpus=threads, max_retries=0)(predict_shard)
        while waiting or running:
            while waiting and len(running) < IN_FLIGHT:
                attempt = waiting.popleft()
                running[task.remote(plan.folder, attempt, threads=threads)] = attempt
            for done in itertools.chain.from_iterable(ray.wait([*running], num_returns=1)[:1]):
                attempt = running.pop(done)
                try:
                    ray.get(done)
                except ray.exceptions.RayTaskError as error:  # raised by the task itself
                    raise error.cause from error
                except ray.exceptions.RayError as error:  # its process or machine is lost
                    logger.warning("the task of shard %d was lost: %s", attempt.shard, str(error).partition("\n")[0])
                    waiting.appendleft(after_kill(plan, attempt))
                else:
                    yield attempt.shard


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    os.environ.setdefault(USAGE_STATS, "0")  # before the import: nothing is sent home
    ray = require("ray", extra="ray")
    try:
        _check_port(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ServiceUnreachable(
            f"No Ray cluster can be reached at {address!r}: {reason} Start one with: ray start --head"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_port(address: str) -> None:
    """Connect to the port of an address, if it has one: Ray itself tries for minutes, and prints its own lines.

    Raises:
        OSError: nothing listens there.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()

"""Environment of a training container on Vertex AI: where its output belongs, and its place among the machines.

https://cloud.google.com/vertex-ai/docs/training/code-requirements and .../training/distributed-training
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from petmood.core.errors import CloudError

__all__ = ["CHECKPOINTS", "CLUSTER", "LOGS", "MODEL", "JobAddresses", "read_job_environment", "torchrun_variables"]

MODEL: Final = "AIP_MODEL_DIR"
CHECKPOINTS: Final = "AIP_CHECKPOINT_DIR"
LOGS: Final = "AIP_TENSORBOARD_LOG_DIR"
CLUSTER: Final = "CLUSTER_SPEC"
POOL: Final = "workerpool"
"""Pools are named workerpool0 to workerpool3."""


@dataclass(frozen=True, slots=True)
class JobAddresses:
    """Addresses for the bundle, the checkpoints and the learning curves: ``gs://`` or a folder; None is not set."""

    model: str
    checkpoints: str
    logs: str | None


def read_job_environment(environment: Mapping[str, str]) -> JobAddresses:
    """Return the addresses that Vertex AI gives a container.

    Raises:
        CloudError: an address is missing or not one.
    """
    return JobAddresses(
        model=_address(environment, MODEL),
        checkpoints=_address(environment, CHECKPOINTS),
        logs=_address(environment, LOGS) if environment.get(LOGS) else None,
    )


def _address(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").rstrip("/")
    is_bucket = value.startswith("gs://") and len(value) > len("gs://")
    if not (is_bucket or (value.startswith("/") and "://" not in value)):
        raise CloudError(
            f"Expected gs://BUCKET/PATH or a folder such as /gcs/BUCKET/PATH in {name}, got {value!r}. "
            "Vertex AI sets it if the job has a baseOutputDirectory; elsewhere use `petmood run`."
        )
    return value


def torchrun_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return torchrun's variables of a container, one process for each machine; none for a job with one machine.

    The processes are numbered by worker pool, and in it by machine; the first one is that of pool 0.

    Raises:
        CloudError: ``CLUSTER_SPEC`` is not the JSON that Vertex AI gives.
    """
    text = environment.get(CLUSTER)
    if not text:
        return {}
    try:
        found: Any = json.loads(text)
        pools = sorted(found["cluster"].items(), key=lambda pool: int(pool[0].removeprefix(POOL)))
        machines = [(name, index, address) for name, listed in pools for index, address in enumerate(listed)]
        task = (found["task"]["type"], int(found["task"]["index"]))
        rank = [(name, index) for name, index, _ in machines].index(task)
        host, _, port = machines[0][2].rpartition(":")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CloudError(
            f"Expected JSON in {CLUSTER} with the machines by worker pool and with the task of this one, "
            "got something else. Vertex AI sets it; elsewhere start the processes with torchrun."
        ) from error
    if len(machines) == 1:
        return {}
    return {
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "WORLD_SIZE": str(len(machines)),
        "RANK": str(rank),
        "GROUP_RANK": str(rank),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }

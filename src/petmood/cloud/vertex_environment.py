"""Environment of a training container on Vertex AI: where its output belongs, and that it is the only machine.

https://cloud.google.com/vertex-ai/docs/training/code-requirements and .../training/distributed-training
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from petmood.core.errors import CloudError

__all__ = ["CHECKPOINTS", "CLUSTER", "LOGS", "MODEL", "JobAddresses", "read_job_environment"]

MODEL: Final = "AIP_MODEL_DIR"
CHECKPOINTS: Final = "AIP_CHECKPOINT_DIR"
LOGS: Final = "AIP_TENSORBOARD_LOG_DIR"
CLUSTER: Final = "CLUSTER_SPEC"


@dataclass(frozen=True, slots=True)
class JobAddresses:
    """Addresses for the bundle, the checkpoints and the learning curves: ``gs://`` or a folder; None is not set."""

    model: str
    checkpoints: str
    logs: str | None


def read_job_environment(environment: Mapping[str, str]) -> JobAddresses:
    """Return the addresses that Vertex AI gives a container.

    Raises:
        CloudError: an address is missing or not one, or the job has several machines.
    """
    _refuse_several_machines(environment.get(CLUSTER))
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


def _refuse_several_machines(text: str | None) -> None:
    if not text:
        return
    try:
        found: Any = json.loads(text)
        machines = [machine for pool in found["cluster"].values() for machine in pool]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CloudError(f"Expected JSON with the machines by worker pool in {CLUSTER}, got something else.") from error
    if len(machines) > 1:
        raise CloudError(
            f"Expected a job with one machine, got {len(machines)} in {CLUSTER}. petmood trains on one machine: "
            "give the job one worker pool with replicaCount 1, and a machine with more accelerators if need be."
        )

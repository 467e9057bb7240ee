"""Specification of a training job on Vertex AI, as JSON of the resource ``CustomJob`` of the Vertex AI API v1.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

from collections.abc import Sequence
from typing import Any, Final

from petmood.cloud.services import LABELS
from petmood.cloud.settings import CloudSettings
from petmood.registry.uri import ADDRESS_VARIABLE

__all__ = ["COMMAND", "TRAIN", "job_spec", "output_folder"]

TRAIN: Final = "train"
COMMAND: Final = ("petmood", "cloud", "run-job")
"""Entry point of the container: it reads the variables ``AIP_*``, and resumes after an interruption."""


def output_folder(settings: CloudSettings, name: str) -> str:
    """Return the address below which Vertex AI puts the model, the checkpoints and the logs of a job."""
    return f"{settings.storage}/jobs/{name}"


def job_spec(settings: CloudSettings, *, name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the specification of a job that trains with ``overrides``, the settings of ``petmood run``.

    A job of which a machine fails is started again, and resumes. A job of the same name resumes, too, since its
    checkpoints lie in the same folder. Of several machines, the first is a worker pool of its own, as Vertex AI
    requires.
    """
    size = settings.training
    machine: dict[str, Any] = {"machineType": size.machine_type}
    if size.accelerator is not None:
        machine |= {"acceleratorType": size.accelerator, "acceleratorCount": size.accelerator_count}
    scheduling: dict[str, Any] = {"timeout": f"{round(size.timeout_h * 3600)}s", "restartJobOnWorkerRestart": True}
    if size.spot:
        scheduling["strategy"] = "SPOT"
    pool = {
        "machineSpec": machine,
        "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": size.disk_gb},
        "containerSpec": {
            "imageUri": settings.image(TRAIN),
            "command": [*COMMAND],
            "args": [*overrides],
            "env": [{"name": ADDRESS_VARIABLE, "value": settings.registry}],
        },
    }
    counts = [1, size.machines - 1] if size.machines > 1 else [1]
    return {
        "displayName": name,
        "labels": {**LABELS, "component": TRAIN},
        "jobSpec": {
            "workerPoolSpecs": [pool | {"replicaCount": count} for count in counts],
            "scheduling": scheduling,
            "serviceAccount": settings.account(TRAIN),
            "baseOutputDirectory": {"outputUriPrefix": output_folder(settings, name)},
        },
    }

"""Specification of a training job, by the rules of Vertex AI: its discovery document and, as a proof, its protobuf."""

import copy
from typing import Any

import click
import pytest

from petmood.cli.app import petmood
from petmood.cloud.jobs import COMMAND, job_spec
from petmood.cloud.settings import CloudSettings, TrainingSize
from tests.support.discovery import problems

SCHEMA = {"api": "aiplatform.v1", "schema": "GoogleCloudAiplatformV1CustomJob"}
GPU = TrainingSize(machine_type="n1-standard-8", accelerator="NVIDIA_TESLA_T4", accelerator_count=2, spot=True)
SETTINGS = CloudSettings(project="pets-12345", training=GPU)
SPEC = job_spec(SETTINGS, name="first", overrides=["data=/gcs/photos/pets", "recipe=finetune"])
FOUR = CloudSettings(project="pets-12345", training=TrainingSize(machines=4))
TOGETHER = job_spec(FOUR, name="first", overrides=["data=/gcs/photos/pets"])
MISTAKES = [
    (("jobSpec",), "workerPools", []),
    (("jobSpec", "scheduling"), "restart", True),
    (("jobSpec", "workerPoolSpecs", 0, "containerSpec"), "image", "x"),
    (("jobSpec", "workerPoolSpecs", 0, "machineSpec"), "acceleratorType", "NVIDIA_T4"),
]


def with_mistake(where: tuple[str | int, ...], key: str, value: object) -> dict[str, Any]:
    """Return the specification with a field that is wrong."""
    spec: dict[str, Any] = copy.deepcopy(SPEC)
    place: Any = spec
    for part in where:
        place = place[part]
    place[key] = value
    return spec


@pytest.mark.parametrize("spec", [SPEC, TOGETHER], ids=["one machine", "four machines"])
def test_the_discovery_document_has_every_field(spec: dict[str, Any]) -> None:
    assert problems(spec, **SCHEMA) == []


@pytest.mark.parametrize(("where", "key", "value"), MISTAKES)
def test_a_planted_mistake_is_found(where: tuple[str | int, ...], key: str, value: object) -> None:
    (found,) = problems(with_mistake(where, key, value), **SCHEMA)
    assert key in found


@pytest.mark.proof  # the import of the types takes some ten seconds
def test_the_client_library_accepts_every_field_and_finds_planted_mistakes() -> None:
    from google.cloud import aiplatform_v1  # noqa: PLC0415 - some ten seconds
    from google.protobuf import json_format  # noqa: PLC0415 - with it

    message = json_format.ParseDict(SPEC, aiplatform_v1.CustomJob.pb()())
    pool = message.job_spec.worker_pool_specs[0]
    assert (pool.replica_count, pool.machine_spec.accelerator_count) == (1, 2)
    together = json_format.ParseDict(TOGETHER, aiplatform_v1.CustomJob.pb()())
    assert [one.replica_count for one in together.job_spec.worker_pool_specs] == [1, 3]
    assert message.job_spec.scheduling.restart_job_on_worker_restart
    assert message.job_spec.scheduling.timeout.seconds == 12 * 3600
    for mistake in MISTAKES:
        with pytest.raises(json_format.ParseError):
            json_format.ParseDict(with_mistake(*mistake), aiplatform_v1.CustomJob.pb()())


def test_the_container_runs_a_verb_of_the_command_line() -> None:
    container = SPEC["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    assert container["command"] == [*COMMAND]
    assert container["args"] == ["data=/gcs/photos/pets", "recipe=finetune"]
    group: Any = petmood
    for word in COMMAND[1:]:
        group = group.get_command(click.Context(group), word)
    assert group is not None


def test_a_job_of_the_same_name_finds_the_same_checkpoints() -> None:
    again = job_spec(SETTINGS, name="first")
    assert again["jobSpec"]["baseOutputDirectory"] == SPEC["jobSpec"]["baseOutputDirectory"]
    assert SPEC["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"] == "gs://pets-12345-petmood/jobs/first"


def test_a_machine_without_accelerator_names_none() -> None:
    pool = job_spec(CloudSettings(project="pets-12345"), name="x")["jobSpec"]["workerPoolSpecs"][0]
    assert pool["machineSpec"] == {"machineType": "n1-standard-8"}


def test_of_several_machines_the_first_is_a_pool_of_its_own_and_all_run_the_same() -> None:
    first, others = TOGETHER["jobSpec"]["workerPoolSpecs"]
    assert (first["replicaCount"], others["replicaCount"]) == (1, 3)
    assert first | {"replicaCount": 3} == others
    assert [one["replicaCount"] for one in SPEC["jobSpec"]["workerPoolSpecs"]] == [1]

"""Environment of a container on Vertex AI: its addresses, and jobs of several machines refused in one line."""

import json

import pytest

from petmood.cloud.vertex_environment import JobAddresses, read_job_environment
from petmood.core.errors import CloudError

SET = {
    "AIP_MODEL_DIR": "gs://photos/jobs/1/model/",
    "AIP_CHECKPOINT_DIR": "/gcs/photos/jobs/1/checkpoints/",
    "AIP_TENSORBOARD_LOG_DIR": "gs://photos/jobs/1/logs/",
}


def cluster(**pools: int) -> str:
    """Return CLUSTER_SPEC of a job with so many machines in each worker pool."""
    listed = {name: [f"training-{name}-{number}:2222" for number in range(count)] for name, count in pools.items()}
    return json.dumps({"cluster": listed, "environment": "cloud", "task": {"type": "workerpool0", "index": 0}})


def test_buckets_and_mounted_folders_are_accepted() -> None:
    found = read_job_environment(SET | {"CLUSTER_SPEC": cluster(workerpool0=1)})
    assert found == JobAddresses(
        "gs://photos/jobs/1/model", "/gcs/photos/jobs/1/checkpoints", "gs://photos/jobs/1/logs"
    )


def test_a_job_without_tensorboard_has_no_address_of_logs() -> None:
    assert read_job_environment({**SET, "AIP_TENSORBOARD_LOG_DIR": ""}).logs is None


@pytest.mark.parametrize("name", ["AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR"])
@pytest.mark.parametrize("value", ["", "gs://", "s3://photos/model", "model", "http://a/b"])
def test_a_missing_or_other_address_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(CloudError, match=f"in {name}, got"):
        read_job_environment(SET | {name: value})


@pytest.mark.parametrize("pools", [{"workerpool0": 1, "workerpool1": 2}, {"workerpool0": 2}])
def test_several_machines_are_refused_with_their_number(pools: dict[str, int]) -> None:
    with pytest.raises(CloudError, match=f"one machine, got {sum(pools.values())} in CLUSTER_SPEC"):
        read_job_environment(SET | {"CLUSTER_SPEC": cluster(**pools)})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"cluster": 3}', '{"cluster": {"workerpool0": 3}}'])
def test_a_damaged_cluster_is_refused(text: str) -> None:
    with pytest.raises(CloudError, match="Expected JSON with the machines"):
        read_job_environment(SET | {"CLUSTER_SPEC": text})

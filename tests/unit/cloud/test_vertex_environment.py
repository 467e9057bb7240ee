"""Environment of a container on Vertex AI: its addresses, and its place among the machines of a job."""

import json

import pytest

from petmood.cloud.vertex_environment import JobAddresses, read_job_environment, torchrun_variables
from petmood.core.errors import CloudError
from petmood.core.world import World, read_world

SET = {
    "AIP_MODEL_DIR": "gs://photos/jobs/1/model/",
    "AIP_CHECKPOINT_DIR": "/gcs/photos/jobs/1/checkpoints/",
    "AIP_TENSORBOARD_LOG_DIR": "gs://photos/jobs/1/logs/",
}


def cluster(task: tuple[str, int] = ("workerpool0", 0), **pools: int) -> str:
    """Return CLUSTER_SPEC of a job with so many machines in each worker pool, in the container of one of them."""
    listed = {name: [f"training-{name}-{number}:2222" for number in range(count)] for name, count in pools.items()}
    kind, index = task
    return json.dumps({"cluster": listed, "environment": "cloud", "task": {"type": kind, "index": index, "trial": ""}})


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


@pytest.mark.parametrize(
    ("task", "rank"),
    [(("workerpool0", 0), 0), (("workerpool1", 0), 1), (("workerpool1", 1), 2), (("workerpool2", 0), 3)],
)
def test_machines_are_numbered_by_pool_and_meet_at_the_first(task: tuple[str, int], rank: int) -> None:
    spec = cluster(task, workerpool0=1, workerpool2=1, workerpool1=2)
    found = torchrun_variables({"CLUSTER_SPEC": spec})
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("training-workerpool0-0", "2222")
    assert (found["LOCAL_RANK"], found["GROUP_RANK"]) == ("0", str(rank))
    assert read_world(found) == World(rank, 4, 1)


@pytest.mark.parametrize("environment", [{}, {"CLUSTER_SPEC": ""}, {"CLUSTER_SPEC": cluster(workerpool0=1)}])
def test_one_machine_needs_no_variables(environment: dict[str, str]) -> None:
    assert torchrun_variables(environment) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"cluster": 3}',
        '{"cluster": {"workerpool0": 3}, "task": {"type": "workerpool0", "index": 0}}',
        '{"cluster": {}, "task": {"type": "workerpool0", "index": 0}}',
        '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
        cluster(("workerpool1", 2), workerpool0=1, workerpool1=2),
    ],
)
def test_a_damaged_cluster_is_refused(text: str) -> None:
    with pytest.raises(CloudError, match="Expected JSON in CLUSTER_SPEC with the machines"):
        torchrun_variables({"CLUSTER_SPEC": text})

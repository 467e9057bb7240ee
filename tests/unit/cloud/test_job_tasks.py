"""Tasks of cloud jobs by their environment, and their shares of the work."""

import json
from collections.abc import Mapping

import pytest

from petmood.cloud.job_tasks import JobTask, read_job_task
from petmood.core.errors import CloudError


def cluster(pool: str, index: int) -> dict[str, str]:
    """Return what Vertex AI sets on a machine of a job with one machine in its first pool and three in its second."""
    machines = {"workerpool1": ["b:2222", "c:2222", "d:2222"], "workerpool0": ["a:2222"]}
    return {"CLUSTER_SPEC": json.dumps({"cluster": machines, "task": {"type": pool, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"CLUSTER_SPEC": ""}, None),
        ({"CLOUD_RUN_TASK_INDEX": "2", "CLOUD_RUN_TASK_COUNT": "5"}, JobTask(2, 5)),
        ({"BATCH_TASK_INDEX": "0", "BATCH_TASK_COUNT": "1"}, JobTask(0, 1)),
        (cluster("workerpool0", 0), JobTask(0, 4)),
        (cluster("workerpool1", 2), JobTask(3, 4)),
    ],
)
def test_the_task_is_read_from_the_environment(environment: Mapping[str, str], expected: JobTask | None) -> None:
    assert read_job_task(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"CLOUD_RUN_TASK_INDEX": "5", "CLOUD_RUN_TASK_COUNT": "5"},
        {"CLOUD_RUN_TASK_INDEX": "0"},
        {"BATCH_TASK_INDEX": "-1", "BATCH_TASK_COUNT": "2"},
        {"CLUSTER_SPEC": "{}"},
        {"CLUSTER_SPEC": "no JSON"},
        cluster("workerpool1", 3),
        cluster("workerpool2", 0),
    ],
)
def test_an_environment_of_no_platform_is_refused_in_one_line(environment: Mapping[str, str]) -> None:
    with pytest.raises(CloudError) as refused:
        read_job_task(environment)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("items", "count"), [(7, 3), (3, 7), (1, 1), (1000, 16)])
def test_tasks_share_all_items_once(items: int, count: int) -> None:
    shares = [JobTask(index, count).share_of(items) for index in range(count)]
    assert [item for share in shares for item in share] == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1

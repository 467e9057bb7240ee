"""Which task of a job this process is: Cloud Run jobs, Google Batch, and Vertex AI jobs with several machines.

https://cloud.google.com/run/docs/container-contract#jobs-env-vars,
https://cloud.google.com/batch/docs/create-run-basic-job and
https://cloud.google.com/vertex-ai/docs/training/distributed-training
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from petmood.cloud.vertex_environment import CLUSTER, torchrun_variables
from petmood.core.errors import CloudError

__all__ = ["JobTask", "read_job_task"]

TASKS: Final = (("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"), ("BATCH_TASK_INDEX", "BATCH_TASK_COUNT"))


@dataclass(frozen=True, slots=True)
class JobTask:
    """One of ``count`` tasks of a job, numbered from 0."""

    index: int
    count: int

    def share_of(self, items: int) -> range:
        """Return this task's items; the tasks have equally many, give or take one.

        >>> [JobTask(index, 3).share_of(7) for index in range(3)]
        [range(0, 2), range(2, 4), range(4, 7)]
        """
        return range(items * self.index // self.count, items * (self.index + 1) // self.count)


def read_job_task(environment: Mapping[str, str]) -> JobTask | None:
    """Return the task by the variables that the platform sets; None outside of a job.

    Raises:
        CloudError: the variables are not as the platform sets them.
    """
    for index, count in TASKS:
        if index in environment or count in environment:
            return _numbered(environment.get(index, ""), environment.get(count, ""), names=f"{index} and {count}")
    if not environment.get(CLUSTER):
        return None
    machine = torchrun_variables(environment)  # a job with one machine has none
    return JobTask(int(machine.get("RANK", 0)), int(machine.get("WORLD_SIZE", 1)))


def _numbered(index: str, count: str, *, names: str) -> JobTask:
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise CloudError(
            f"Expected the number of a task, from 0, and that of all tasks in {names}, got {index!r} and {count!r}."
        )
    return JobTask(int(index), int(count))

"""Locust process of a load test: users post photos without pause; each finished step is printed as a JSON line.

It is a separate process (``python -m petmood.serving.loadtest < job``), as importing Locust monkey-patches sockets and
threads.
"""

import itertools
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped] # no type information
from locust import FastHttpUser, LoadTestShape, task
from locust.env import Environment
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter, stats_history

from petmood.serving.loadtest.config import LoadTestConfig, load_test_config_from
from petmood.serving.loadtest.photos import Form, form, read, synthetic_photos
from petmood.serving.loadtest.stages import NEW_USERS_PER_S, Stages, lengthened
from petmood.serving.loadtest.steps import Sample, Step

__all__ = ["main"]

GIVE_UP_S = 30.0
FINISH_WITHIN_S = 2.0
AFTER_NO_ANSWER_S = 0.1


def users_of(job: LoadTestConfig, forms: Iterator[Form]) -> type[FastHttpUser]:
    """Return a Locust user class that posts one photo after another."""
    token = {} if job.token is None else {"Authorization": f"Bearer {job.token}"}

    class PhotoUser(FastHttpUser):
        host = job.target.base
        network_timeout = connection_timeout = GIVE_UP_S

        @task
        def predict(self) -> None:
            """Post the next photo; redirects are not followed, as they may lead to another machine."""
            photo = next(forms)
            headers = {"Content-Type": photo.content_type, **token}
            body: Any = photo.body  # annotated as str by Locust, but bytes are sent unchanged
            answer = self.client.request("POST", job.target.path, data=body, headers=headers, allow_redirects=False)
            if not answer.status_code:
                gevent.sleep(AFTER_NO_ANSWER_S)

    return PhotoUser


def shape_of(stages: Stages) -> LoadTestShape:
    """Return a Locust load shape that reads the number of users from the stages once a second."""

    class Course(LoadTestShape):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call] # untyped in Locust

        def tick(self) -> tuple[int, float] | None:
            users = stages.users_at(time.perf_counter())
            return None if users is None else (users, NEW_USERS_PER_S)

    return Course()


def emit(step: Step) -> None:
    """Print a step as a JSON line for the parent process."""
    sys.stdout.write(json.dumps(asdict(step)) + "\n")
    sys.stdout.flush()


def run(job: LoadTestConfig) -> None:
    """Run the load test until all stages are finished."""
    if longer := lengthened(job.counts):
        sys.stderr.write(longer + "\n")
    photos = synthetic_photos() if job.photos is None else read(Path(job.photos))
    stages = Stages(job.counts, job.duration_s, until_saturation=job.until_saturation, on_step=emit)
    forms = itertools.cycle([form(photo) for photo in photos])
    environment = Environment(
        user_classes=[users_of(job, forms)], shape_class=shape_of(stages), stop_timeout=FINISH_WITHIN_S
    )

    def keep(*, response_time: float, response: Any, **_: Any) -> None:  # noqa: ANN401 - Locust objects
        stages.add(Sample(time.perf_counter(), response_time, getattr(response, "status_code", 0) or 0))

    environment.events.request.add_listener(keep)  # type: ignore[no-untyped-call] # as above
    runner = environment.create_local_runner()
    writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, job.csv, full_history=True)
    writing = [gevent.spawn(writer.stats_writer), gevent.spawn(stats_history, runner)]
    runner.start_shape()
    if runner.shape_greenlet is not None:
        runner.shape_greenlet.join()
    runner.quit()
    gevent.sleep(1.1)  # Locust writes its CSV files once a second
    gevent.killall(writing)
    writer.close_files()


def main() -> None:
    """Run the job given as JSON on standard input."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    run(load_test_config_from(sys.stdin.read()))


if __name__ == "__main__":
    main()

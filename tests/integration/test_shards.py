"""Shards of real commands: killed and started again, as tasks of a job, and on two nodes of Ray. (fault 23)"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from petmood.core.locks import lock_path
from petmood.inference.base import answer_response
from petmood.inference.load import load_bundle
from petmood.inference.shard_plan import ShardPlan, find_plan
from tests.support.held_photo import HeldPhoto, has_ended
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle
from tests.support.ray_cluster import ray_cluster
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns, pytest.mark.posix]

SIZE = 8


@dataclass(frozen=True, slots=True)
class Work:
    """A bundle, 40 photos with a broken one in five shards, and where the results belong."""

    bundle: Path
    listed: Path
    out: Path
    paths: list[Path]
    photos: list[bytes]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *options: str) -> list[str]:
        """Return the command that predicts the photos."""
        words = [sys.executable, "-m", "petmood", "predict", str(self.bundle), "--files-from", str(self.listed)]
        return [*words, "--output", str(self.out), "--shard-size", str(SIZE), *options]

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """Start a command."""
        changed = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1", **environment}
        process = subprocess.Popen(command, env=os.environ | changed, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def plan(self) -> ShardPlan:
        """Return the plan, when there is one."""
        found = wait_until(lambda: find_plan(self.out), what="the list of photos")
        assert found is not None
        return found

    def lines(self) -> list[dict[str, object]]:
        """Return the results of all shards in order."""
        return [
            json.loads(line) for file in sorted(self.out.glob("shard-*")) for line in file.read_bytes().splitlines()
        ]

    def expected(self) -> list[dict[str, object]]:
        """Return what a predictor in this process answers."""
        answers = load_bundle(self.bundle).predict_many(self.paths)
        bodies = [answer_response(str(path), answer) for path, answer in zip(self.paths, answers, strict=True)]
        return [json.loads(body.model_dump_json()) for body in bodies]

    def times(self) -> dict[str, int]:
        """Return when each shard was written."""
        return {path.name: path.stat().st_mtime_ns for path in self.out.glob("shard-*")}

    def hold(self, at: int) -> HeldPhoto:
        """Let a photo's reader wait."""
        return HeldPhoto.at(self.paths[at])


@contextmanager
def made_in(folder: Path, bundle: Path) -> Iterator[Work]:
    """Make the work, and end what it has started."""
    photos = [jpeg(photo_like(64, 48, seed=number)) for number in range(5 * SIZE)]
    photos[3] = photos[3][:600]
    paths = [folder / f"{number:02d}.jpg" for number in range(len(photos))]
    for path, data in zip(paths, photos, strict=True):
        path.write_bytes(data)
    listed = folder / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in paths), "utf-8")
    made = Work(bundle, listed, folder / "out", paths, photos)
    try:
        yield made
    finally:
        for process in made.started:
            process.kill()
            process.communicate()


@pytest.fixture
def work(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Return the work."""
    bundle = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")
    with made_in(tmp_path, bundle.folder) as made:
        yield made


def test_the_command_started_again_after_a_kill_does_what_is_missing(work: Work) -> None:
    held = work.hold(20)
    driver = work.start(work.command("--processes", "2"))
    handle = held.reached()
    plan = work.plan()
    wait_until(lambda: len(work.times()) == 4, what="the shards that are not held")
    worker = int(lock_path(plan.result(2)).read_text("ascii"))
    before = work.times()
    driver.send_signal(signal.SIGKILL)
    wait_until(lambda: has_ended(worker), what="the end of the worker with the driver")
    os.close(handle)
    held.replace(work.photos[20])
    assert work.times() == before
    again = work.start(work.command("--processes", "2"))
    _, said = again.communicate(timeout=600)
    assert (again.returncode, said.splitlines()[0].split(": ")[1][:21]) == (0, "4 of 5 shards are the"), said
    assert work.lines() == work.expected()
    assert {name: work.times()[name] for name in before} == before
    assert [path.name for path in work.out.iterdir() if path.name.startswith(".")] == []


def test_tasks_of_a_job_share_the_shards_and_wait_for_the_list(work: Work) -> None:
    tasks = []
    for index in (1, 0):  # the first task comes last
        names = {"CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": "2"}
        tasks.append(work.start(work.command("--processes", "1"), **names))
        if index:
            assert tasks[0].stderr is not None
            assert "waiting for the list of photos" in tasks[0].stderr.readline()
    said = [task.communicate(timeout=600)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert work.lines() == work.expected()
    assert json.loads((work.out / "summary.json").read_text("utf-8"))["photos"] == 40


def test_two_nodes_of_ray_predict_all_photos_once_though_one_is_killed(work: Work) -> None:
    held = {shard: work.hold(shard * SIZE) for shard in (0, 1)}
    with ray_cluster() as cluster:
        driver = work.start(cluster.at_head(*work.command("--ray", cluster.address)))
        handles = {shard: photo.reached() for shard, photo in held.items()}
        plan = work.plan()
        workers = {shard: int(lock_path(plan.result(shard)).read_text("ascii")) for shard in held}
        nodes = {cluster.node_of(pid): shard for shard, pid in workers.items()}
        assert sorted(nodes) == [0, 1]
        cluster.kill_raylet(1)
        wait_until(lambda: has_ended(workers[nodes[1]]), what="the end of the worker with its node")
        for shard, photo in held.items():
            photo.replace(work.photos[shard * SIZE])
            if shard == nodes[0]:
                os.write(handles[shard], work.photos[shard * SIZE])
            os.close(handles[shard])
        _, said = driver.communicate(timeout=600)
        assert driver.returncode == 0, said
    assert work.lines() == work.expected()

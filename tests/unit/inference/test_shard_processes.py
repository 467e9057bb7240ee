"""Processes that predict shards: all photos once, errors of a process raised, and kills at a photo."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError
from petmood.core.photo_source import FoundPhoto
from petmood.core.schemas import ErrorResponse
from petmood.inference.shard_plan import ShardPlan, make_plan
from petmood.inference.shard_processes import run_in_processes
from petmood.inference.shards import Attempt, predict_shard
from tests.support.held_photo import HeldPhoto, has_ended
from tests.support.images import jpeg, photo_like

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return 24 photos."""
    found = [tmp_path / f"{number:02d}.jpg" for number in range(24)]
    for number, path in enumerate(found):
        path.write_bytes(jpeg(photo_like(64, 48, seed=number)))
    return found


def plan_of(folder: Path, bundle: Bundle, paths: list[Path]) -> ShardPlan:
    """Return a plan of shards of 8 photos."""
    return make_plan(folder, bundle, [*map(FoundPhoto, paths)], shard_size=8, source={})


def bytes_of(plan: ShardPlan) -> list[bytes]:
    """Return the bytes of all shards."""
    return [plan.result(number).read_bytes() for number in range(plan.count)]


@pytest.fixture
def expected(shared_bundle: Bundle, paths: list[Path], tmp_path: Path) -> list[bytes]:
    """Return the shards of a run in this process."""
    plan = plan_of(tmp_path / "expected", shared_bundle, paths)
    for number in range(plan.count):
        predict_shard(plan.folder, Attempt(number))
    return bytes_of(plan)


def test_two_processes_give_what_one_gives(
    shared_bundle: Bundle, paths: list[Path], tmp_path: Path, expected: list[bytes]
) -> None:
    plan = plan_of(tmp_path / "out", shared_bundle, paths)
    assert sorted(run_in_processes(plan, range(3), processes=2)) == [0, 1, 2]
    assert bytes_of(plan) == expected


@pytest.mark.posix
def test_the_shard_of_a_killed_process_is_predicted_again(
    shared_bundle: Bundle, paths: list[Path], tmp_path: Path, expected: list[bytes]
) -> None:
    photo = paths[12].read_bytes()
    held = HeldPhoto.at(paths[12])
    plan = plan_of(tmp_path / "out", shared_bundle, paths)
    running = run_in_processes(plan, range(3), processes=2)
    done = [next(running)]
    before = plan.result(done[0]).stat().st_mtime_ns
    killed = held.kill_reader(plan.result(1))
    assert not plan.result(1).exists()
    assert has_ended(killed)
    held.replace(photo)
    assert sorted([*done, *running]) == [0, 1, 2]
    assert bytes_of(plan) == expected
    assert plan.result(done[0]).stat().st_mtime_ns == before


@pytest.mark.posix
def test_a_photo_at_which_every_process_ends_is_reported_and_the_others_are_predicted(
    shared_bundle: Bundle, paths: list[Path], tmp_path: Path, expected: list[bytes]
) -> None:
    held = HeldPhoto.at(paths[12])
    plan = plan_of(tmp_path / "out", shared_bundle, paths)
    done: list[int] = []
    running = threading.Thread(target=lambda: done.extend(run_in_processes(plan, range(3), processes=1)), daemon=True)
    running.start()
    for _ in range(4):
        held.kill_reader(plan.result(1))
    running.join(300)
    assert sorted(done) == [0, 1, 2]
    found = list(plan.results(1))
    assert [one.photo for one in found] == [str(path) for path in paths[8:16]]
    assert [one.code for one in found if isinstance(one, ErrorResponse)] == ["worker_killed"]
    assert bytes_of(plan)[::2] == expected[::2]


def test_an_error_of_a_process_is_raised_and_ends_the_others(
    shared_bundle: Bundle, paths: list[Path], tmp_path: Path
) -> None:
    plan = plan_of(tmp_path / "out", shared_bundle, paths)
    (plan.bundle / "model.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        list(run_in_processes(plan, range(3), processes=2))
    assert not [child for child in multiprocessing.active_children() if child.is_alive()]

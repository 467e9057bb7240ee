"""Shards: one line for each photo, nothing twice, and what is tried after a process was killed."""

from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError, OutputError, PhotoError, WorkerKilled
from petmood.core.photo_source import FoundPhoto
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.base import answer_response
from petmood.inference.load import load_bundle
from petmood.inference.shard_plan import ShardPlan, make_plan
from petmood.inference.shards import Attempt, after_kill, predict_shard
from tests.support.images import jpeg, photo_like


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return 11 photos, the sixth of which is broken."""
    found = [tmp_path / f"{number:02d}.jpg" for number in range(11)]
    for number, path in enumerate(found):
        path.write_bytes(jpeg(photo_like(64, 48, seed=number))[: 600 if number == 5 else None])
    return found


@pytest.fixture
def plan(shared_bundle: Bundle, paths: list[Path], tmp_path: Path) -> ShardPlan:
    """Return a plan of shards of 8 photos, with a path that was no photo when the list was made."""
    found = [*map(FoundPhoto, paths), FoundPhoto(tmp_path / "gone.jpg", PhotoError("No such photo."))]
    return make_plan(tmp_path / "out", shared_bundle, found, shard_size=8, source={})


def test_a_shard_has_the_lines_of_a_prediction_without_shards(
    plan: ShardPlan, paths: list[Path], shared_bundle: Bundle
) -> None:
    for number in range(plan.count):
        predict_shard(plan.folder, Attempt(number))
    answers = load_bundle(shared_bundle.folder).predict_many(paths)
    expected = [answer_response(str(path), answer) for path, answer in zip(paths, answers, strict=True)]
    gone = ErrorResponse(photo=str(paths[0].parent / "gone.jpg"), code="bad_photo", message="No such photo.")
    assert [*plan.results(0), *plan.results(1)] == [*expected, gone]
    assert isinstance(expected[5], ErrorResponse)
    assert expected[5].code == "corrupt_image"


def test_a_shard_that_is_there_is_not_touched(plan: ShardPlan) -> None:
    plan.result(0).write_text("mine", "utf-8")
    predict_shard(plan.folder, Attempt(0))
    assert plan.result(0).read_text("utf-8") == "mine"


def test_one_by_one_gives_the_same_and_leaves_no_file(plan: ShardPlan) -> None:
    predict_shard(plan.folder, Attempt(0))
    together = list(plan.results(0))
    plan.result(0).unlink()
    predict_shard(plan.folder, Attempt(0, kills=2))
    for one, other in zip(together, plan.results(0), strict=True):
        if isinstance(one, PredictionResponse) and isinstance(other, PredictionResponse):
            assert (one.photo, one.label) == (other.photo, other.label)
            assert one.probability == pytest.approx(other.probability, abs=1e-5)
        else:
            assert one == other
    assert not plan.position_file(0).exists()


def test_a_photo_that_is_left_out_is_a_line_with_the_reason(plan: ShardPlan) -> None:
    predict_shard(plan.folder, Attempt(0, left_out=frozenset({2})))
    codes = [one.code if isinstance(one, ErrorResponse) else "" for one in plan.results(0)]
    assert codes == ["", "", "worker_killed", "", "", "corrupt_image", "", ""]


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Expected a plan of shards"):
        predict_shard(tmp_path, Attempt(0))


def test_another_bundle_in_its_place_is_refused(plan: ShardPlan) -> None:
    manifest = (plan.folder / "manifest.json").read_text("utf-8")
    text = manifest.replace(plan.manifest.bundle.sha256, "0" * 64)
    (plan.folder / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(BundleError, match="another bundle"):
        predict_shard(plan.folder, Attempt(0))


def killed_at(plan: ShardPlan, attempt: Attempt, position: int | None) -> Attempt:
    """Return what follows after a process was killed at a photo."""
    if position is not None:
        plan.position_file(attempt.shard).write_text(str(position), "ascii")
    return after_kill(plan, attempt)


def test_after_two_kills_photos_are_predicted_one_by_one(plan: ShardPlan) -> None:
    first = killed_at(plan, Attempt(1), None)
    second = killed_at(plan, first, None)
    assert [Attempt(1).one_by_one, first.one_by_one, second.one_by_one] == [False, False, True]


def test_a_photo_that_two_processes_died_at_is_left_out(plan: ShardPlan) -> None:
    attempt = killed_at(plan, killed_at(plan, Attempt(0, kills=2), 4), 4)
    assert attempt == Attempt(0, kills=2, left_out=frozenset({4}))
    assert killed_at(plan, killed_at(plan, attempt, 6), 6).left_out == {4, 6}


def test_a_kill_before_the_first_photo_blames_none(plan: ShardPlan) -> None:
    attempt = killed_at(plan, Attempt(0, kills=2), 4)
    assert killed_at(plan, attempt, None).left_out == frozenset()


@pytest.mark.parametrize("positions", [[None] * 5, [None, None, 1, 2, 3]])
def test_a_shard_is_given_up_after_five_kills_without_a_reason(plan: ShardPlan, positions: list[int | None]) -> None:
    attempt = Attempt(1)
    for position in positions[:-1]:
        attempt = killed_at(plan, attempt, position)
    with pytest.raises(WorkerKilled, match="Shard 1 was given up"):
        killed_at(plan, attempt, positions[-1])

"""Plans of shards: the stored list of photos, the copy of the bundle, and what is refused."""

from pathlib import Path

import pytest

from petmood.core.bundle import Bundle, verify
from petmood.core.errors import OutputError, PhotoError
from petmood.core.photo_source import FoundPhoto
from petmood.inference.shard_plan import ShardPlan, find_plan, make_plan


def photos(count: int) -> list[FoundPhoto]:
    """Return paths without photos."""
    return [FoundPhoto(Path(f"/photos/{number}.jpg")) for number in range(count)]


def plan_of(folder: Path, bundle: Bundle, found: list[FoundPhoto], *, shard_size: int = 4) -> ShardPlan:
    """Make a plan."""
    return make_plan(folder, bundle, found, shard_size=shard_size, source={"paths": []})


def test_every_photo_is_in_one_shard_in_order(shared_bundle: Bundle, tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "out", shared_bundle, photos(10))
    assert plan.count == 3
    assert [one for number in range(3) for one in plan.photos(number)] == photos(10)
    assert [len(plan.photos(number)) for number in range(3)] == [4, 4, 2]


def test_the_plan_is_found_again_with_its_bundle(shared_bundle: Bundle, tmp_path: Path) -> None:
    made = plan_of(tmp_path / "out", shared_bundle, photos(5))
    assert find_plan(tmp_path / "out") == made
    assert verify(made.bundle).sha256 == shared_bundle.sha256 == made.manifest.bundle.sha256


def test_a_second_list_does_not_replace_the_first(shared_bundle: Bundle, tmp_path: Path) -> None:
    made = plan_of(tmp_path / "out", shared_bundle, photos(5))
    assert plan_of(tmp_path / "out", shared_bundle, photos(9)) == made


def test_paths_of_any_bytes_and_problems_are_kept(shared_bundle: Bundle, tmp_path: Path) -> None:
    problem = PhotoError("No such photo.")
    given = [FoundPhoto(Path("/a\nb.jpg")), FoundPhoto(Path("/caf\udce9.jpg")), FoundPhoto(Path("/gone"), problem)]
    first, second, third = plan_of(tmp_path / "out", shared_bundle, given).photos(0)
    assert [first, second] == given[:2]
    assert third.problem is not None
    assert (third.path, third.problem.code, str(third.problem)) == (Path("/gone"), "bad_photo", "No such photo.")


def test_relative_paths_hold_in_every_folder(
    shared_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (one,) = plan_of(Path("out"), shared_bundle, [FoundPhoto(Path("sub/a.jpg"))]).photos(0)
    assert one.path == tmp_path / "sub/a.jpg"


def test_a_plan_without_its_manifest_is_written_again(shared_bundle: Bundle, tmp_path: Path) -> None:
    """A process that is killed while it makes the list leaves no manifest."""
    (plan_of(tmp_path, shared_bundle, photos(9)).folder / "manifest.json").unlink()
    assert find_plan(tmp_path) is None
    plan = plan_of(tmp_path, shared_bundle, photos(5))
    assert [one for number in range(plan.count) for one in plan.photos(number)] == photos(5)


@pytest.mark.parametrize("change", ["changed", "missing"])
def test_a_list_that_was_changed_is_refused(shared_bundle: Bundle, tmp_path: Path, change: str) -> None:
    listed = plan_of(tmp_path, shared_bundle, photos(5)).folder / "photos/00001.jsonl"
    if change == "changed":
        listed.write_text('{"photo": "/other.jpg"}\n', "utf-8")
    else:
        listed.unlink()
    with pytest.raises(OutputError, match=r"list of photos in .* was changed"):
        find_plan(tmp_path)


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"classes": []}', "utf-8")
    with pytest.raises(OutputError, match="not a manifest of predictions"):
        find_plan(tmp_path)


def test_a_folder_with_other_files_is_refused_unchanged(shared_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match=r"got thesis\.txt in it"):
        plan_of(tmp_path, shared_bundle, photos(1))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_missing_shards_are_those_without_a_file(shared_bundle: Bundle, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shared_bundle, photos(12))
    plan.result(1).touch()
    assert plan.missing(range(3)) == [0, 2]


def test_a_result_that_was_changed_is_named(shared_bundle: Bundle, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, shared_bundle, photos(1))
    plan.result(0).write_text("{}\n", "utf-8")
    with pytest.raises(OutputError, match="Remove the file"):
        list(plan.results(0))

"""Evaluation of a run beside baselines, on its own and on other photos, and paired with another run."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.errors import DataError, OutputLocked, RunError
from petmood.data.index import Role, Split, read_index, write_index
from petmood.evaluation.baselines import BASELINES, hog_features
from petmood.pipelines import evaluate as evaluate_module
from petmood.pipelines.evaluate import compare_runs, evaluate_run, needs_evaluation, read_evaluation, scores_of
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.read_only import deny_writes
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


@pytest.fixture(scope="module")
def evaluated(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run with its numbers."""
    copy = RunFolder(tmp_path_factory.mktemp("evaluated") / "run")
    shutil.copytree(small_run.path, copy.path)
    evaluate_run(copy)
    return copy


def test_numbers_with_intervals_stand_beside_all_baselines(evaluated: RunFolder) -> None:
    found = read_evaluation(evaluated)
    accuracy = found["splits"]["test"]["accuracy"]
    assert set(accuracy) == {"value", "low", "high", "n"}
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["n"] == 16
    assert set(found["baselines"]) == set(BASELINES)
    assert found["main"] == "test"


def test_the_report_shows_the_run_its_curves_and_its_settings(evaluated: RunFolder) -> None:
    text = evaluated.report.read_text()
    assert "shared: tiny on stripes" in text
    assert "adamw" in text or "weight_decay" in text
    assert "<script src=" not in text


def test_hog_features_are_computed_once_for_a_version_of_the_data(
    evaluated: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, computed = evaluated.evaluation.read_text(), count_hog_features(monkeypatch)
    evaluate_run(evaluated)
    assert evaluated.evaluation.read_text() == before
    assert computed == [1], "only those of the generated photo that the cache's name depends on"


@pytest.mark.parametrize("changed", ["side", "decoding"])
def test_hog_features_that_other_code_computed_are_not_used(
    evaluated: RunFolder, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    if changed == "side":
        monkeypatch.setattr(evaluate_module, "hog_features", partial(hog_features, side_px=96))
    else:
        monkeypatch.setattr(evaluate_module, "ENOUGH_PX", 16)
    computed = count_hog_features(monkeypatch)
    evaluate_run(evaluated)
    assert computed == [1, len(read_index(evaluated.dataset()))]


def count_hog_features(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of photos of each computation of HOG features from now on."""
    counts: list[int] = []
    real = vars(evaluate_module)["hog_features"]

    def counted(photos: Iterable[NDArray[np.uint8]], **options: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as the function it stands for
        found: NDArray[np.float32] = real(photos, **options)
        counts.append(len(found))
        return found

    monkeypatch.setattr(evaluate_module, "hog_features", counted)
    return counts


def test_another_data_set_is_measured_without_touching_the_numbers(evaluated: RunFolder, tmp_path: Path) -> None:
    before = evaluated.evaluation.read_text()
    other = write_small_set(tmp_path / "other", test=8, seed=5)
    found = evaluate_run(evaluated, data=other)
    assert found.splits["test"]["accuracy"].n == 8
    assert found.splits["valid"]["accuracy"].n == 16
    assert evaluated.evaluation.read_text() == before
    assert (evaluated.path / "report-other.html").is_file()
    again = scores_of(evaluated, data=other)
    assert {split: len(scored) for split, scored in again.items()} == {"valid": 16, "test": 8}


def test_where_there_is_no_test_split_the_validation_photos_are_evaluated(settings: Settings, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "no-test", test=0)
    run = train(settings(f"data={data}", "name=no-test", "epochs=1"))
    assert evaluate_run(run).main == "valid"
    assert compare_runs(run, run).difference.value == 0
    other = write_small_set(tmp_path / "other", test=0, seed=2)
    found = evaluate_run(run, data=other)
    assert (found.main, found.splits[found.main]["accuracy"].n) == ("validation photos of other", 16)
    assert "of 16 validation photos of other (95%" in found.verdict
    assert "test photos" not in (run.path / "report-other.html").read_text().partition("What these photos")[0]


def test_on_other_photos_the_baselines_are_those_of_the_rows_that_the_model_learned_from(
    evaluated: RunFolder, tmp_path: Path
) -> None:
    # The training photos of the run are of four classes in equal numbers; those of the other dataset are all sad.
    other = write_small_set(tmp_path / "sad", seed=5)
    rows = [row for row in read_index(other) if row.split != Split.TRAIN or row.label == "sad"]
    write_index(other, rows)
    own = read_evaluation(evaluated)["baselines"]
    found = evaluate_run(evaluated, data=other).baselines
    assert set(found) == {"most_frequent", "hog_svm", "permuted_labels"}
    assert found["most_frequent"]["accuracy"].n == 16
    assert found["most_frequent"]["nll"].value == pytest.approx(own["most_frequent"]["nll"]["value"])
    assert found["hog_svm"]["accuracy"].value > 0.5
    judged_only = Path(shutil.copytree(other, tmp_path / "judged-only"))
    write_index(judged_only, [row for row in rows if row.split != Split.TRAIN])
    alone = evaluate_run(evaluated, data=judged_only)
    assert alone.splits["test"]["accuracy"].n == 16
    assert alone.baselines == found, "the other's training photos change nothing"


@pytest.mark.parametrize("gone", ["changed", "missing"])
def test_without_the_rows_that_the_model_learned_from_there_are_no_baselines(
    evaluated: RunFolder, small_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    data = Path(shutil.copytree(small_set, tmp_path / "stripes"))
    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))
    run.write_metadata(run.read_metadata(), update={"data_path": str(data)})
    if gone == "changed":
        write_index(data, read_index(data).rows[1:])
        found = evaluate_run(run)
    else:
        data.rename(tmp_path / "elsewhere")
        found = evaluate_run(run, data=tmp_path / "elsewhere")
    assert found.baselines == {}
    assert found.splits["test"]["accuracy"].n == 16
    assert found.comparison is not None
    assert "The photos that the model learned from are not there, so there are no baselines." in caplog.text


@pytest.mark.parametrize(("include_copies", "accuracy"), [(False, 4 / 13), (True, 1 / 13)])
def test_baselines_are_fitted_on_the_rows_that_the_model_learned_from(
    settings: Settings, tmp_path: Path, *, include_copies: bool, accuracy: float
) -> None:
    # Training photos: 6 angry and 6 copies of them, 8 happy, 6 other, 6 sad. Test photos: 1 angry, 4 of the others.
    folder = write_small_set(tmp_path / "uneven", copies=32)
    few = {"angry": 6, "happy": 8, "other": 6, "sad": 6}
    rows, seen = [], Counter[tuple[str, ...]]()
    for row in read_index(folder).rows:
        kind = (row.split, row.role, row.label)
        seen[kind] += 1
        limit = few[row.label] if row.split == Split.TRAIN else 1 if kind[::2] == (Split.TEST, "angry") else 99
        if seen[kind] <= limit and (row.role == Role.ORIGINAL or row.label == "angry"):
            rows.append(row)
    write_index(folder, rows)
    run = train(
        settings(f"data={folder}", f"name=uneven-{include_copies}", "epochs=1", f"data.include_copies={include_copies}")
    )
    found = evaluate_run(run).baselines["most_frequent"]["accuracy"]
    assert found.value == pytest.approx(accuracy)


def test_two_runs_are_compared_photo_by_photo(evaluated: RunFolder, settings: Settings, tmp_path: Path) -> None:
    other = train(settings("name=worse", "epochs=1", "optimizer.lr=0.0000001"))
    paired = compare_runs(evaluated, other)
    assert paired.first > paired.second
    assert paired.groups == 16
    evaluate_run(evaluated, paired=paired)
    stranger = train(settings(f"data={write_small_set(tmp_path / 'less', test=12)}", "name=less", "epochs=1"))
    with pytest.raises(DataError):
        compare_runs(evaluated, stranger)


def test_a_run_without_curves_has_a_report_as_well(settings: Settings) -> None:
    run = train(settings("recipe=linear_probe", "weights=none", "name=curveless", "evaluation.baselines=false"))
    evaluate_run(run)
    assert run.report.is_file()
    assert json.loads(run.evaluation.read_text())["baselines"] == {}


def test_missing_scores_and_numbers_say_what_to_do(small_run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "near_duplicate")
    shutil.copytree(small_run.path, copy.path)
    copy.evaluation.unlink(missing_ok=True)
    with pytest.raises(RunError, match=r"isn't evaluated yet\. Evaluate it with: petmood evaluate"):
        read_evaluation(copy)
    copy.predictions(Split.VALID).unlink()
    with pytest.raises(RunError, match=r"valid\.npz is missing\. Train the run again"):
        scores_of(copy)


def test_metrics_of_an_earlier_version_are_refused_by_name_and_measured_again(
    evaluated: RunFolder, tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "old")))
    assert not needs_evaluation(run)
    written = json.loads(run.evaluation.read_text())
    written["controls"] = written.pop("baselines")
    run.evaluation.write_text(json.dumps(written))
    with pytest.raises(RunError, match=r"has no baselines: an earlier version .* Evaluate the run again with: petmood"):
        read_evaluation(run)
    assert needs_evaluation(run)


def test_a_run_that_another_process_writes_is_not_evaluated(evaluated: RunFolder) -> None:
    before = evaluated.evaluation.stat().st_mtime_ns
    with evaluated.lock(), pytest.raises(OutputLocked, match=f"is being written by process {os.getpid()}"):
        evaluate_run(evaluated)
    assert evaluated.evaluation.stat().st_mtime_ns == before


def test_metrics_are_handed_over_before_anything_is_written(
    evaluated: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))
    run.evaluation.unlink()
    monkeypatch.setattr(evaluate_module, "atomic_write_json", full)
    shown: list[float] = []
    with pytest.raises(OSError, match="No space left"):
        evaluate_run(run, on_result=lambda found: shown.append(found.splits["test"]["accuracy"].value))
    assert shown == [read_evaluation(evaluated)["splits"]["test"]["accuracy"]["value"]]


@pytest.mark.parametrize("what", ["read-only", "full", "damaged"])
def test_photos_whose_cache_can_not_be_used_are_evaluated_all_the_same(
    evaluated: RunFolder, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    data = tmp_path / "stripes"
    shutil.copytree(small_set, data, ignore=shutil.ignore_patterns(".cache"))
    run = RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))
    run.write_metadata(run.read_metadata(), update={"data_path": str(data)})
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    if what == "read-only":
        deny_writes(monkeypatch, data)
    elif what == "full":
        monkeypatch.setattr(evaluate_module, "atomic_write_bytes", full)
    else:
        evaluate_run(run)
        (cached,) = (data / ".cache").glob("hog-*.npy")
        cached.write_bytes(b"")
    evaluate_run(run)
    assert read_evaluation(run) == read_evaluation(evaluated)
    assert [path.name[:4] for path in (tmp_path / "user").rglob("*.npy")] == (["hog-"] if what == "read-only" else [])
    assert (data / ".cache").exists() == (what == "damaged")

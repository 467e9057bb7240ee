"""Evaluation of a run beside baselines, on its own and on other photos, and paired with another run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.configs.schema import Config
from petmood.core.errors import DataError, OutputLocked, RunError
from petmood.data.index import Split
from petmood.evaluation.baselines import BASELINES
from petmood.pipelines import evaluate as evaluate_module
from petmood.pipelines.evaluate import compare_runs, evaluate_run, needs_evaluation, read_evaluation, scores_of
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


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

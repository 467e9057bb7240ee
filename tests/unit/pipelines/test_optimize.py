"""Tests of `petmood optimize`: measured on held-out photos, written into the run, and refused with one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, DataError
from petmood.core.processors import processor_name
from petmood.evaluation.variants import VariantVerdict
from petmood.pipelines.evaluate import read_evaluation
from petmood.pipelines.optimize import Optimized, optimize_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]
FEW = 24


@pytest.fixture(scope="module")
def run(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run."""
    return RunFolder(Path(shutil.copytree(small_run.path, tmp_path_factory.mktemp("optimized") / "run")))


@pytest.fixture(scope="module")
def found(run: RunFolder) -> Optimized:
    """Return what was measured of it."""
    return optimize_run(run, calibration_photos=FEW, rounds=4)


def test_fp32_and_int8_are_measured_on_the_same_test_photos(found: Optimized, run: RunFolder) -> None:
    own, small = found.rows
    assert (own.name, small.name) == ("fp32", "int8")
    assert own.accuracy.value == pytest.approx(read_evaluation(run)["splits"]["test"]["accuracy"]["value"])
    assert own.accuracy.n == small.accuracy.n == 16
    assert small.paired is not None
    assert small.paired.difference.value == pytest.approx(small.accuracy.value - own.accuracy.value)
    assert small.size_bytes < own.size_bytes / 2
    assert small.speed.p95_ms >= small.speed.p50_ms > 0
    assert found.values["split"] == "test"
    assert found.values["photos_note"] == "16 test photos. They neither trained, chose nor calibrated the model."


def test_few_photos_leave_the_comparison_undecided_which_is_said(found: Optimized) -> None:
    assert found.rows[1].verdict is VariantVerdict.UNDECIDED
    assert found.refused("int8") == ""
    assert found.refused("fp32") == ""


def test_the_files_name_processor_and_photos(found: Optimized, run: RunFolder) -> None:
    written = json.loads((run.optimized / "optimize.json").read_bytes())
    assert written["processor"] == processor_name()
    assert [row["name"] for row in written["rows"]] == ["fp32", "int8"]
    assert written["variant"]["info"]["photos"] == 16
    page = (run.optimized / "optimize.html").read_text("utf-8")
    assert processor_name() in page
    assert (run.optimized / "model.int8.onnx").stat().st_size == found.rows[1].size_bytes


def test_the_outputs_that_thresholds_and_drift_need_stay_near_those_of_fp32(found: Optimized) -> None:
    shift = found.rows[1].shift
    assert shift is not None
    assert (shift.photos, shift.drift) == (16, "insufficient")
    assert shift.embedding < 0.5
    assert shift.probabilities < 0.1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"calibration_photos": 19}, "Expected 20 calibration photos or more and 2 rounds or more, got 19 and"),
        ({"rounds": 1}, "got 200 and 1"),
    ],
)
def test_settings_that_measure_nothing_are_refused(run: RunFolder, given: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        optimize_run(run, **given)


def test_fewer_training_photos_than_asked_for_are_one_line(run: RunFolder) -> None:
    with pytest.raises(
        DataError, match=r"Expected 200 training photos to calibrate INT8 on, got 32 .*--calibration 32"
    ):
        optimize_run(run)


def test_a_run_without_held_out_photos_is_one_line(settings: Settings, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", valid=0, test=0)
    made = train(settings("epochs=1", f"data={data}", f"run.folder={tmp_path}"))
    with pytest.raises(DataError, match="got no validation and no test photos in the dataset of"):
        optimize_run(made, calibration_photos=FEW)


def test_without_test_photos_those_that_chose_the_model_are_used_as_they_calibrated_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    data = write_small_set(tmp_path / "data", valid=24, test=0)
    made = train(settings("epochs=2", f"data={data}", f"run.folder={tmp_path}"))
    found = optimize_run(made, calibration_photos=FEW, rounds=2)
    assert (
        found.values["photos_note"]
        == "12 validation photos. They chose the model, but didn't calibrate its thresholds."
    )


def test_hand_crafted_features_have_nothing_to_quantize(settings: Settings, tmp_path: Path) -> None:
    chosen = ("model=fixed_filters", "recipe=closed_form", f"run.folder={tmp_path}", "evaluation.calibrate_on=valid")
    made = train(settings(*chosen))
    with pytest.raises(ConfigError, match=r"fixed_filters .* has hand-crafted features and no trained convolutions"):
        optimize_run(made, calibration_photos=FEW)

"""Tests of `petmood optimize`: measured on held-out photos, written into the run, and refused with one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, DataError
from petmood.core.processors import processor_name
from petmood.data.index import read_index
from petmood.pipelines.evaluate import read_evaluation
from petmood.pipelines.optimize import held_out_photos, optimize_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]


@pytest.fixture
def values(optimized_run: RunFolder) -> dict[str, Any]:
    """Return what was measured of the run, as its file has it."""
    found: dict[str, Any] = json.loads((optimized_run.optimized / "optimize.json").read_bytes())
    return found


def test_fp32_and_int8_are_measured_on_the_same_test_photos(values: dict[str, Any], optimized_run: RunFolder) -> None:
    own, small = values["rows"]
    assert (own["name"], small["name"]) == ("fp32", "int8")
    expected = read_evaluation(optimized_run)["splits"]["test"]["accuracy"]["value"]
    assert own["accuracy"]["value"] == pytest.approx(expected)
    assert own["accuracy"]["n"] == small["accuracy"]["n"] == small["paired"]["difference"]["n"] == 16
    apart = small["accuracy"]["value"] - own["accuracy"]["value"]
    assert small["paired"]["difference"]["value"] == pytest.approx(apart)
    assert small["size_bytes"] < own["size_bytes"] / 2
    assert small["p95_ms"] >= small["p50_ms"] > 0
    assert values["split"] == "test"
    assert values["photos_note"] == "16 test photos. They neither trained, chose nor calibrated the model."


def test_few_photos_leave_the_comparison_undecided_which_is_said(values: dict[str, Any]) -> None:
    assert (values["rows"][1]["verdict"], values["rows"][1]["refusal"]) == ("undecided", "")
    assert values["rows"][0]["verdict"] is None


def test_the_files_name_the_processor_and_hold_the_network(values: dict[str, Any], optimized_run: RunFolder) -> None:
    assert values["processor"] == processor_name()
    assert values["variant"]["info"]["photos"] == 16
    assert processor_name() in (optimized_run.optimized / "optimize.html").read_text("utf-8")
    written = optimized_run.optimized / "model.int8.onnx"
    assert written.stat().st_size == values["rows"][1]["size_bytes"]


def test_the_outputs_that_thresholds_and_drift_need_stay_near_those_of_fp32(values: dict[str, Any]) -> None:
    shift = values["rows"][1]["shift"]
    assert (shift["photos"], shift["drift"]) == (16, "insufficient")
    assert 0 < shift["embedding"] < 0.5
    assert 0 < shift["probabilities"] < 0.1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"calibration_photos": 19}, "Expected 20 calibration photos or more and 2 rounds or more, got 19 and"),
        ({"rounds": 1}, "got 200 and 1"),
    ],
)
def test_settings_that_measure_nothing_are_refused(optimized_run: RunFolder, given: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        optimize_run(optimized_run, **given)  # type: ignore[arg-type] # numbers alone


def test_fewer_training_photos_than_asked_for_are_one_line(optimized_run: RunFolder) -> None:
    with pytest.raises(DataError, match=r"Expected 200 training photos to calibrate .*, got 32 .*--calibration 32"):
        optimize_run(optimized_run)


def test_a_run_without_held_out_photos_is_one_line(settings: Settings, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", valid=0, test=0)
    made = train(settings("epochs=1", f"data={data}", f"run.folder={tmp_path}"))
    with pytest.raises(DataError, match="got no validation and no test photos in the dataset of"):
        optimize_run(made, calibration_photos=24)


def test_without_test_photos_those_that_chose_the_model_are_used_as_they_calibrated_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    data = write_small_set(tmp_path / "data", valid=24, test=0)
    made = train(settings("epochs=2", f"data={data}", f"run.folder={tmp_path}"))
    found = held_out_photos(made, read_index(data))
    assert (found.split, len(found.rows)) == ("valid", 12)
    assert found.note == "They chose the model, but didn't calibrate its thresholds."


def test_where_all_validation_photos_calibrated_the_note_says_so(settings: Settings, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", valid=24, test=0)
    alone = ("epochs=1", "recipe.checkpoint=last", f"data={data}", f"run.folder={tmp_path}")
    found = held_out_photos(train(settings(*alone)), read_index(data))
    assert len(found.rows) == 24
    assert found.note == "There are no test photos; these calibrated the thresholds of fp32."


def test_hand_crafted_features_have_nothing_to_quantize(settings: Settings, tmp_path: Path) -> None:
    chosen = ("model=fixed_filters", "model.image_size=64", "recipe=closed_form", "evaluation.calibrate_on=valid")
    made = train(settings(*chosen, f"run.folder={tmp_path}"))
    with pytest.raises(ConfigError, match=r"fixed_filters .* has hand-crafted features and no trained convolutions"):
        optimize_run(made, calibration_photos=24)

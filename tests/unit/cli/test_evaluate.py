"""`petmood evaluate`: printed metrics, JSON output and comparison of two runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.configs.load import compose
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import SMALL, write_small_set


@pytest.fixture(scope="module")
def other_run(small_run: RunFolder) -> RunFolder:
    """Return a second run on the same photos."""
    config = small_run.read_config()
    wanted = [*SMALL, f"data={config.data.path}", f"run.folder={config.run.folder}", "name=other", "epochs=1"]
    return train(compose(wanted))


def test_json_has_the_form_that_was_agreed(petmood: Callable[..., Any], small_run: RunFolder) -> None:
    done = petmood("evaluate", small_run.path, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert set(found["splits"]) == {"valid", "test"}
    for numbers in found["splits"].values():
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "brier", "nll", "ece"):
            assert set(numbers[name]) == {"value", "low", "high", "n"}
            assert numbers[name]["low"] <= numbers[name]["value"] <= numbers[name]["high"]


def test_text_shows_intervals_controls_the_report_and_the_next_step(
    petmood: Callable[..., Any], small_run: RunFolder
) -> None:
    done = petmood("evaluate", small_run.path)
    assert done.out.startswith("The model is right in ")
    assert "\n16 test photos (95% interval over groups)\n" in done.out
    assert "accuracy of the baselines" in done.out
    assert f"Report: {small_run.report}\n" in done.out
    assert done.out.endswith(f"Next: petmood export {small_run.path} --output bundles/first\n")


def test_against_another_run_the_paired_test_is_printed(
    petmood: Callable[..., Any], small_run: RunFolder, other_run: RunFolder
) -> None:
    text = petmood("evaluate", small_run.path, "--baseline", other_run.path).out
    (line,) = [line for line in text.splitlines() if line.startswith(f"Against {other_run.path}: accuracy")]
    assert " p = " in line
    assert "over 16 groups" in line
    paired = json.loads(petmood("evaluate", small_run.path, "--baseline", other_run.path, "--json").out)["paired"]
    assert set(paired) == {"metric", "first", "second", "difference", "p_value", "groups"}


def test_another_data_set_has_a_report_of_its_own(
    petmood: Callable[..., Any], small_run: RunFolder, tmp_path: Path
) -> None:
    data = write_small_set(tmp_path / "fresh", seed=9)
    done = petmood("evaluate", small_run.path, "--data", data)
    assert f"Report: {small_run.path / 'report-fresh.html'}" in done.out


@pytest.mark.parametrize("arguments", [["nowhere"], ["RUN", "--baseline", "nowhere"], ["RUN", "--data", "nowhere"]])
def test_what_is_missing_is_one_line_and_code_2(
    petmood: Callable[..., Any], small_run: RunFolder, arguments: list[str]
) -> None:
    done = petmood("evaluate", *(str(small_run.path) if word == "RUN" else word for word in arguments))
    assert (done.code, done.out) == (2, "")
    assert "nowhere" in done.err
    assert done.err.count("\n") == 1

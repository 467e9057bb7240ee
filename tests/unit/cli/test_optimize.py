"""Tests of the command `petmood optimize`: table, sentences and the next step."""

from pathlib import Path

import pytest

from petmood.cli.app import main
from petmood.cli.optimize import optimize_text
from petmood.pipelines.optimize import Optimized
from tests.unit.evaluation.test_variants import result
from tests.unit.reports.test_optimize import FP32, VALUES

WORSE = result(-0.05, -0.08, -0.02)


def test_the_table_has_a_line_for_each_network_and_the_photos_and_the_processor() -> None:
    lines = optimize_text(Optimized((FP32, WORSE), {**VALUES, "left_out": "no compiler"})).splitlines()
    assert lines[1].split() == ["fp32", "76.3%", "(72.5", "to", "79.8)", "17.7", "ms", "28.7", "ms", "14.1", "MB"]
    assert "-5.0 (-8.0 to -2.0)" in lines[2]
    assert lines[4] == "Accuracy on 569 test photos. They neither trained, chose nor calibrated the model."
    assert "AMD EPYC" in lines[5]
    assert lines[6].startswith("int8: Refused: its accuracy changes by -5.0 points")
    assert lines[7] == "no compiler"


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["optimize", str(tmp_path)])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert "isn't a run: run.json is missing" in shown
    assert len(shown.splitlines()) == 1

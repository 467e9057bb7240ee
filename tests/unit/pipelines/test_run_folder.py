"""Paths of a run folder, and errors for missing, damaged or unfinished runs."""

from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, RunError
from petmood.data.index import Split
from petmood.pipelines.run_folder import RunFolder, open_run


def test_every_file_of_a_run_lies_in_its_folder_under_a_fixed_name() -> None:
    run = RunFolder(Path("runs/x"))
    folders = (
        run.config,
        run.metadata,
        run.weights,
        run.metrics_csv,
        run.log,
        run.checkpoints,
        run.evaluation,
        run.report,
    )
    assert [str(place) for place in folders] == [
        f"runs/x/{name}"
        for name in (
            "config.yaml",
            "run.json",
            "model.safetensors",
            "metrics.csv",
            "log.txt",
            "checkpoints",
            "evaluation.json",
            "report.html",
        )
    ]
    assert run.predictions(Split.TEST) == Path("runs/x/scored/test.npz")


def test_facts_are_changed_without_losing_the_others(small_run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path)
    changed = copy.write_metadata(small_run.read_metadata(), update={"seconds": 1.5})
    assert copy.read_metadata() == changed
    assert changed.seconds == 1.5
    assert changed.data_hash == small_run.read_metadata().data_hash


def test_settings_are_read_back(small_run: RunFolder) -> None:
    assert small_run.read_config().model.backbone == "tiny"
    assert small_run.read_config().run.name == "shared"


def test_a_missing_run_names_the_known_ones(small_run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Known there: .*shared"):
        open_run(small_run.path.parent / "sharde")
    with pytest.raises(RunError, match="Train one with: petmood train"):
        open_run(tmp_path / "a" / "b")


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', "[]"])
def test_a_damaged_run_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json can't be read; train again"):
        open_run(tmp_path)


def test_damaged_settings_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: [")
    with pytest.raises(ConfigError, match="can't be read as YAML settings"):
        RunFolder(tmp_path).read_config()


def test_an_unfinished_run_is_opened_only_to_go_on_with_it(small_run: RunFolder, tmp_path: Path) -> None:
    RunFolder(tmp_path).write_metadata(small_run.read_metadata(), update={"status": "training"})
    assert open_run(tmp_path, finished=False).path == tmp_path
    with pytest.raises(RunError, match="petmood train --resume"):
        open_run(tmp_path)

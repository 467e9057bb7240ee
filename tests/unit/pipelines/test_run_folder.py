"""Paths of a run folder, and errors for missing, damaged or unfinished runs."""

import os
import shutil
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, DataError, OutputLocked, RunError
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


def test_a_run_under_way_is_said_to_be_written_and_not_to_be_resumed(small_run: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.write_metadata(small_run.read_metadata(), update={"status": "training"})
    (tmp_path / "link").symlink_to("run")
    for name in ("run", "link"):
        with run.lock(), pytest.raises(OutputLocked, match=rf"{name} is being written by process {os.getpid()}\."):
            open_run(tmp_path / name)


def test_where_no_lock_can_be_written_beside_a_run_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with RunFolder(tmp_path / "run").lock():
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.fixture
def project(small_run: RunFolder, small_set: Path, tmp_path: Path) -> Path:
    """Return a folder with data/pets, and runs/one that was trained on it by its relative path."""
    shutil.copytree(small_set, tmp_path / "project/data/pets")
    facts = small_run.read_metadata()
    RunFolder(tmp_path / "project/runs/one").write_metadata(facts, update={"data_path": "data/pets"})
    return tmp_path / "project"


def test_the_dataset_of_a_run_is_found_from_any_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert RunFolder(Path("runs/one")).dataset() == Path("data/pets")
    monkeypatch.chdir(tmp_path)
    assert RunFolder(Path("project/runs/one")).dataset() == project / "data/pets"


def test_another_dataset_of_the_same_name_is_not_taken_for_that_of_the_run(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other/data/pets"
    shutil.copytree(project / "data/pets", other)
    (other / "index.csv").write_bytes(b"".join((other / "index.csv").read_bytes().splitlines(keepends=True)[:-1]))
    monkeypatch.chdir(tmp_path / "other")
    assert RunFolder(project / "runs/one").dataset() == project / "data/pets"
    (other / "index.csv").write_text("damaged")
    assert RunFolder(project / "runs/one").dataset() == project / "data/pets"
    shutil.rmtree(project / "data")
    assert RunFolder(project / "runs/one").dataset() == Path("data/pets"), "which is then refused by what reads it"


def test_a_dataset_that_is_nowhere_is_said_with_the_places(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(project / "data")
    run = RunFolder(project / "runs/one")
    with pytest.raises(DataError, match=rf"data/pets of the run .*one is neither in {tmp_path} nor in a folder"):
        run.dataset()
    run.write_metadata(run.read_metadata(), update={"data_path": str(tmp_path / "gone")})
    with pytest.raises(DataError, match=r"gone of the run .*one is missing\. Restore it"):
        run.dataset()

"""Sweep: complete best run, selection by validation photos, and continuation with more trials."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from petmood.configs.load import compose, from_file
from petmood.core.errors import ConfigError, DataError, OutputLocked, RunError
from petmood.data.index import Split
from petmood.data.sources import Source
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder, open_run
from petmood.tuning import sweep as tuning_sweep
from petmood.tuning.sweep import sweep
from petmood.tuning.trial import valid_value
from tests.support.small_sets import SMALL, write_small_set

T = TypeVar("T")


@pytest.fixture
def wanted(small_set: Path, tmp_path: Path) -> list[str]:
    """Return overrides of a sweep whose trials take half a second."""
    return [*SMALL, f"data={small_set}", f"search.folder={tmp_path}", "epochs=1", "search=first"]


def test_the_best_is_a_whole_run_and_more_trials_can_be_asked_for(wanted: list[str], tmp_path: Path) -> None:
    first = sweep([*wanted, "n_trials=1"])
    assert [row.state for row in first.rows] == ["finished"]
    more = sweep([*wanted, "n_trials=3"])
    assert first.rows[0] in more.rows
    assert len(more.rows) == 3
    values = {
        row.number: valid_value(RunFolder(tmp_path / f"first/trials/{row.number:03d}"), "val/loss") for row in more.rows
    }
    assert more.best.number == min(values, key=values.__getitem__)
    assert more.best_run == tmp_path / f"first/trials/{more.best.number:03d}"
    assert len(Predictions.load(open_run(more.best_run).predictions(Split.TEST))) == 16
    with (more.folder / "trials.csv").open(newline="") as file:
        assert [int(row["trial"]) for row in csv.DictReader(file)] == sorted(values, key=values.__getitem__)


def test_the_best_settings_and_the_command_train_the_best_again(wanted: list[str]) -> None:
    found = sweep([*wanted, "n_trials=1"])
    assert found.command[:2] == ("petmood", "train")
    settings = from_file(found.folder / "best.yaml")
    assert settings == compose(found.command[2:])
    assert settings.optimizer.lr == found.best.settings["optimizer.lr"]
    assert found.best_run
    trained = open_run(found.best_run).read_config()
    assert trained.evaluation.tried == 0
    assert settings.evaluation.tried == 1
    assert trained.model_copy(update={"run": settings.run, "evaluation": settings.evaluation}) == settings


@pytest.mark.parametrize(("epochs", "tried"), [(1, 3), (2, 6)])
def test_the_best_run_and_its_command_say_how_many_models_were_tried(
    wanted: list[str], epochs: int, tried: int
) -> None:
    found = sweep([*wanted, "n_trials=3", f"epochs={epochs}", "search.pruner=none"])
    assert found.best_run
    facts = open_run(found.best_run).read_metadata()
    assert (facts.tried, facts.chosen_on, found.photos) == (tried, 8, 8)
    assert found.command[-1] == f"evaluation.tried={tried}"


def test_the_number_of_tried_models_is_not_written_while_another_process_evaluates_the_run(wanted: list[str]) -> None:
    found = sweep([*wanted, "n_trials=1"])
    assert found.best_run
    run = open_run(found.best_run)
    with run.lock():
        assert sweep([*wanted, "n_trials=1"]).best_run == run.path, "the number is written already"
    run.write_metadata(run.read_metadata(), update={"tried": 7})
    before = run.metadata.read_bytes()
    with run.lock(), pytest.raises(OutputLocked, match=r"000 is being written by process \d+\."):
        sweep([*wanted, "n_trials=1"])
    assert run.metadata.read_bytes() == before
    sweep([*wanted, "n_trials=1"])
    assert run.read_metadata().tried == 1


def test_progress_counts_trials_those_of_before_included(wanted: list[str]) -> None:
    seen: list[tuple[int | None, int]] = []

    def watch(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        for done, item in enumerate(items, start=1):
            if what == "trials of first":
                seen.append((total, done))
            yield item

    sweep([*wanted, "n_trials=1"], progress=watch)
    sweep([*wanted, "n_trials=2"], progress=watch)
    assert seen == [(1, 1), (2, 1), (2, 2)]


def test_a_sweep_without_a_name_is_refused(wanted: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"A sweep needs a name\. Give it one: search\.name=mine"):
        sweep([*wanted, "search.name=null"])


def test_photos_that_nothing_can_be_chosen_by_are_refused(tmp_path: Path, wanted: list[str]) -> None:
    data = write_small_set(tmp_path / "no_valid", valid=0)
    with pytest.raises(DataError, match=r"A sweep selects by validation photos, but .*no_valid has none"):
        sweep([*wanted, f"data={data}"])
    assert not (tmp_path / "first").exists()


def test_the_demo_is_made_where_it_is_missing(
    wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(source: Source, *, to: Path, **_: object) -> None:
        assert source.name == "demo"
        write_small_set(to)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning_sweep, "import_photos", drawn)
    found = sweep([*wanted, "data=data/demo", "n_trials=1"])
    assert found.photos == 8


def test_a_storage_that_fails_meanwhile_is_one_line(wanted: list[str], tmp_path: Path) -> None:
    sweep([*wanted, "n_trials=1"])

    def go_on() -> None:
        with tuning_sweep.open_sweep([*wanted, "n_trials=2"]) as opened:
            (tmp_path / "first/study.db").write_bytes(b"")
            list(opened.worker.work())

    with pytest.raises(RunError, match=r"The storage .* failed\. Resume with the same command\. Reason: ") as refused:
        go_on()
    assert "\n" not in str(refused.value)

"""Training pipeline: contents of the run folder, and equal results of a killed and resumed run."""

import csv
import logging
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from petmood.configs.load import from_file
from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, DataError, OutputError, OutputLocked, RunError
from petmood.core.locks import exclusive_lock
from petmood.data.index import Role, Split, read_index, write_index
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder, open_run
from petmood.pipelines.train import resume, train, train_each
from petmood.training.callbacks import RelocatableCheckpoint, read_checkpoint
from petmood.training.dataset import PhotoSet
from petmood.training.fit import FitResult, fit_network
from petmood.training.settings import FitSettings
from tests.support.killing import Nursery, nursery, same_weights
from tests.support.small_sets import write_small_set

Settings = Callable[..., Config]
NEXT: Final = {"angry": "happy", "happy": "other", "other": "sad", "sad": "angry"}
train_module = sys.modules["petmood.pipelines.train"]


def rows_of(run: RunFolder) -> list[dict[str, str]]:
    """Return the rows of a run's metrics.csv."""
    with run.metrics_csv.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_settings_facts_log_curves_checkpoints_weights_and_scores(
    small_run: RunFolder, small_set: Path
) -> None:
    facts, config = small_run.read_metadata(), from_file(small_run.config)
    assert config.trainer.max_epochs == 6
    assert config.data.path == str(small_set)
    assert facts.status == "done"
    assert facts.data_hash == read_index(small_set).hash
    assert facts.code_version.startswith("0.")
    assert facts.packages["torch"]
    assert facts.photos == {"train": 32, "valid": 16, "test": 16}
    assert facts.epochs == 6
    assert [int(row["epoch"]) for row in rows_of(small_run)] == list(range(6))
    assert all(float(row["val/loss"]) > 0 for row in rows_of(small_run))
    assert {path.name for path in small_run.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    assert "done after" in small_run.log.read_text()
    assert len(Predictions.load(small_run.predictions(Split.TEST))) == 16
    assert list(small_run.path.rglob("*.partial")) == []


def test_the_weights_beside_the_checkpoints_are_those_of_the_best_epoch(
    settings: Settings, small_set: Path, tmp_path: Path
) -> None:
    """Every second validation photo has a wrong class, so that the loss is lowest before the last epoch."""
    folder = shutil.copytree(small_set, tmp_path / "wrong")
    rows = list(read_index(folder))
    wrong = [row.path for row in rows if row.split == Split.VALID and row.role == Role.ORIGINAL][::2]
    write_index(folder, [replace(row, label=NEXT[row.label]) if row.path in wrong else row for row in rows])
    run = train(
        settings(
            f"data={folder}", "name=inner-best", "epochs=8", "optimizer.lr=0.005", "evaluation.calibration_share=0"
        )
    )
    best, last = (read_checkpoint(run.checkpoints / f"{name}.ckpt")["state_dict"] for name in ("best", "last"))
    losses = [float(row["val/loss"]) for row in rows_of(run)]
    assert run.read_metadata().best_epoch == int(np.argmin(losses))
    assert 0 < int(np.argmin(losses)) < 7
    for name, value in load_file(run.weights).items():
        np.testing.assert_array_equal(value, best[f"network.{name}"].numpy())
    saved = load_file(run.weights)["head.1.weight"]
    assert not np.array_equal(saved, last["network.head.1.weight"].numpy())
    logits = torch.from_numpy(Predictions.load(run.predictions(Split.VALID)).logits)
    labels = torch.from_numpy(Predictions.load(run.predictions(Split.VALID)).labels)
    assert torch.nn.functional.cross_entropy(logits, labels).item() == pytest.approx(min(losses), abs=1e-4)


def test_equal_settings_give_files_of_equal_weights_and_another_seed_others(settings: Settings) -> None:
    first, again, other = train_each([settings("name=twin"), settings("name=twin"), settings("name=twin", "seed=5")])
    assert [run.path.name for run in (first, again, other)] == ["twin-1", "twin-2", "twin-3"]
    assert first.weights.read_bytes() == again.weights.read_bytes()
    assert not same_weights(first, other)


def test_runs_without_a_name_never_meet(settings: Settings) -> None:
    runs = train_each([settings("recipe=linear_probe", "weights=none", f"seed={seed}") for seed in (1, 2)])
    assert runs[0].path != runs[1].path


def test_a_name_that_is_taken_is_refused_with_both_ways_out(settings: Settings, small_run: RunFolder) -> None:
    before = small_run.metadata.read_bytes()
    with pytest.raises(RunError, match=r"exists\. Give another run\.name, or resume it with: petmood train --resume"):
        train(settings("name=shared"))
    assert small_run.metadata.read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["weights=imagenet"], "There are no ImageNet weights for 'tiny'"),
        (["weights=nowhere.safetensors"], r"No weights file nowhere\.safetensors"),
        (["model=fixed_filters", "model.image_size=96"], "Expected model.image_size of 64 or 128"),
        (["recipe=linear_probe", "weights=none", "model.head=mlp"], "Expected a linear head for a linear probe"),
    ],
    ids=["no imagenet", "no file", "side", "head"],
)
def test_what_is_refused_leaves_nothing_behind_and_its_name_free(
    settings: Settings, tmp_path: Path, wrong: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(settings(f"run.folder={tmp_path}", "name=mine", *wrong))
    assert list(tmp_path.iterdir()) == []


def test_another_data_version_than_asked_for_is_refused(settings: Settings, small_set: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(DataError, match="Expected data version 000000000000"):
        train(settings(f"data.hash={wrong}", "name=mismatch"))
    right = read_index(small_set).hash
    assert train(settings(f"data.hash={right}", "name=match", "epochs=1")).read_metadata().data_hash == right


def test_a_group_across_splits_is_refused_before_anything_is_written(settings: Settings, tmp_path: Path) -> None:
    folder = write_small_set(tmp_path / "leaky", train=8, valid=4, test=4)
    rows = list(read_index(folder).rows)
    groups = {row.path: row.group_id for row in rows}
    groups["photos/valid-000.png"] = groups["photos/train-000.png"]
    fields = ("path", "sha256", "label", "split", "role", "width", "height", "format")
    write_index(
        folder, [type(row)(**{name: getattr(row, name) for name in fields}, group_id=groups[row.path]) for row in rows]
    )
    with pytest.raises(DataError, match=r"photos/train-000\.png"):
        train(settings(f"data={folder}", f"run.folder={tmp_path}/runs", "name=leaky"))
    assert not (tmp_path / "runs").exists()


def test_a_label_without_training_photos_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    folder = write_small_set(tmp_path / "three")
    rows = read_index(folder)
    write_index(
        folder, [replace(row, split=Split.VALID) if (row.label, row.split) == ("sad", "train") else row for row in rows]
    )
    expected = r"every class, in .*three; got: angry 8, happy 8, other 8, sad 0\. `petmood data check .*three` shows"
    with pytest.raises(DataError, match=expected):
        train(settings(f"data={folder}", "name=three"))


def test_one_class_alone_can_not_be_trained_on(settings: Settings, tmp_path: Path) -> None:
    folder = write_small_set(tmp_path / "one", classes=("sad",))
    with pytest.raises(DataError, match=r"two classes or more, .*; got: sad 32\."):
        train(settings(f"data={folder}", "name=one"))


@pytest.mark.parametrize("include", [True, False])
def test_copies_are_learned_from_only_when_asked_for_and_never_evaluated_on(
    settings: Settings, small_set: Path, monkeypatch: pytest.MonkeyPatch, *, include: bool
) -> None:
    """The photos that training is really given, and those whose predictions are written, not what run.json counts."""
    given: list[list[PhotoSet]] = []

    def watched(config: FitSettings, learned: PhotoSet, valid: PhotoSet, **rest: Any) -> FitResult:  # noqa: ANN401 - as the function it stands for
        given.append([learned, valid])
        return fit_network(config, learned, valid, **rest)

    monkeypatch.setattr(train_module, "fit_network", watched)
    run = train(settings(f"data.include_copies={str(include).lower()}", f"name=copies-{include}", "epochs=1"))
    of = defaultdict(set)
    for row in read_index(small_set):
        of[row.split, row.role].add(row.path)
    assert [len(of[split, Role.NEAR_DUPLICATE]) for split in Split] == [4, 3, 3]
    expected = of[Split.TRAIN, Role.ORIGINAL] | (of[Split.TRAIN, Role.NEAR_DUPLICATE] if include else set())
    [(learned, valid)] = given
    assert {row.path for row in learned.rows} == set(learned.cache.paths) == expected
    assert len(learned.cache.pixels) == len(learned.labels) == len(expected)
    assert {row.path for row in valid.rows} == set(valid.cache.paths) == of[Split.VALID, Role.ORIGINAL]
    assert run.read_metadata().photos == {"train": len(expected), "valid": 16, "test": 16}
    for split in (Split.VALID, Split.TEST):
        assert set(Predictions.load(run.predictions(split)).paths) == of[split, Role.ORIGINAL]


@pytest.mark.parametrize("views", [1, 3])
def test_a_probe_on_the_weights_of_another_run_learns_in_no_epochs(
    settings: Settings, small_run: RunFolder, views: int
) -> None:
    wanted = ("recipe=linear_probe", f"recipe.num_views={views}", "augment=light", f"weights={small_run.weights}")
    run = train(settings(*wanted, f"name=probe-{views}"))
    scored = Predictions.load(run.predictions(Split.TEST))
    assert run.read_metadata().epochs == 0
    assert (scored.predicted() == scored.labels).mean() > 0.7
    probe, source = load_file(run.weights), load_file(small_run.weights)
    np.testing.assert_array_equal(probe["backbone.features.0.0.weight"], source["backbone.features.0.0.weight"])


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    """Return a process that begins trainings as its children."""
    with nursery() as found:
        yield found


@pytest.mark.spawns
def test_a_killed_run_goes_on_from_its_last_whole_epoch_and_ends_with_equal_weights(
    settings: Settings, tmp_path: Path, children: Nursery
) -> None:
    lively = ("recipe.ema_decay=0.8", "augment=heavy", "recipe.mixup=0.2", "epochs=6")
    whole = train(settings(*lively, "name=whole"))
    killed = RunFolder(tmp_path / "killed")
    assert children.kill(settings(*lively, "name=killed", f"run.folder={tmp_path}"), killed, after_epochs=2) == -9
    with pytest.raises(RunError, match=r"is not finished\. Resume it with: petmood train --resume"):
        open_run(killed.path)
    (killed.checkpoints / ".last.ckpt.0abc1234.partial").write_bytes(b"half")
    (killed.path / ".notes.partial").write_text("a person's")
    assert resume(killed.path).read_metadata().status == "done"
    assert same_weights(whole, killed)
    assert [int(row["epoch"]) for row in rows_of(killed)] == list(range(6))
    assert rows_of(killed) == rows_of(whole)
    assert list(killed.path.rglob(".*")) == [killed.path / ".notes.partial"]


@pytest.mark.spawns
def test_a_full_disk_stops_training_with_one_line_and_leaves_the_old_checkpoint_whole(
    settings: Settings, tmp_path: Path, children: Nursery
) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses the write halfway."""
    config = settings("name=full", "epochs=4", "recipe.checkpoint=last", f"run.folder={tmp_path}")
    run = RunFolder(tmp_path / "full")
    assert children.kill(config, run, after_epochs=2) == -9
    reached = read_checkpoint(run.checkpoints / "last.ckpt")["epoch"]
    children.begin(config, run, limit=100_000)
    assert children.end() == 2
    assert (tmp_path / "full.yaml.txt").read_text() == "petmood: File too large\n"
    assert read_checkpoint(run.checkpoints / "last.ckpt")["epoch"] == reached
    assert list(run.checkpoints.iterdir()) == [run.checkpoints / "last.ckpt"]
    assert resume(run.path).read_metadata().epochs == 4


@pytest.mark.parametrize("again", ["train", "resume"])
def test_two_trainings_into_one_folder_are_kept_apart(settings: Settings, tmp_path: Path, again: str) -> None:
    config = settings("name=one", "epochs=1", f"run.folder={tmp_path}")
    run = RunFolder(tmp_path / "one")
    if again == "resume":
        train(config).predictions(Split.TEST).unlink()
    with (
        exclusive_lock(run.path),
        pytest.raises(OutputLocked, match=rf"one is being written by process {os.getpid()}\."),
    ):
        train(config) if again == "train" else resume(run.path)
    assert run.path.exists() == (again == "resume")
    assert (train(config) if again == "train" else resume(run.path)).predictions(Split.TEST).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_run_that_was_moved_still_knows_its_best_epoch(settings: Settings, tmp_path: Path) -> None:
    wanted = ("recipe.freeze_epochs=0", "optimizer.lr=0.05", f"run.folder={tmp_path}")
    whole = train(settings(*wanted, "epochs=4", "name=whole"))
    moved = RunFolder(tmp_path / "moved")
    shutil.copytree(whole.path, moved.path)
    best, last = (read_checkpoint(moved.checkpoints / name) for name in ("best.ckpt", "last.ckpt"))
    scores = [state["best_model_score"] for state in last["callbacks"].values() if state.get("monitor")]
    assert scores
    callback = RelocatableCheckpoint(dirpath=moved.checkpoints, monitor="val/loss", filename="best")
    callback.load_state_dict(next(state for state in last["callbacks"].values() if state.get("monitor")))
    assert callback.best_model_score == scores[0]
    assert callback.best_model_path == str(moved.checkpoints / "best.ckpt")
    assert best["epoch"] == whole.read_metadata().best_epoch


def test_resuming_a_finished_run_changes_nothing(small_run: RunFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.path.rglob("*")}
    assert resume(small_run.path) == small_run
    assert {path: path.stat().st_mtime_ns for path in small_run.path.rglob("*")} == before


def test_resuming_on_other_photos_or_without_a_run_is_refused(
    settings: Settings, tmp_path: Path, small_set: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_set, data)
    run = train(settings(f"data={data}", "name=moved", "epochs=1", f"run.folder={tmp_path}"))
    run.write_metadata(run.read_metadata(), update={"status": "training"})
    write_index(data, read_index(data).rows[1:])
    with pytest.raises(DataError, match="Expected data version"):
        resume(run.path)
    with pytest.raises(RunError, match=r"isn't a run: run\.json is missing"):
        resume(tmp_path / "nothing")


def test_the_log_of_a_run_ends_with_the_run(settings: Settings) -> None:
    house = logging.getLogger("petmood")
    level, handlers = house.level, list(house.handlers)
    run = train(settings("name=logged", "epochs=1"))
    size = run.log.stat().st_size
    house.warning("after the run")
    assert run.log.stat().st_size == size
    assert (house.level, house.handlers) == (level, handlers)


def test_a_folder_with_other_files_is_not_trained_into(settings: Settings, tmp_path: Path) -> None:
    config = settings("name=one", "epochs=1", f"run.folder={tmp_path}")
    (tmp_path / "one").mkdir()
    (tmp_path / "one/config.yaml").write_text("of a process that was killed before run.json")
    (tmp_path / "one/notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"one holds other files: notes\.txt\. Give another run\.name"):
        train(config)
    assert (tmp_path / "one/config.yaml").read_text().startswith("of a process")
    (tmp_path / "one/notes.txt").unlink()
    assert train(config).read_metadata().status == "done"
    (tmp_path / "file").touch()
    below = config.model_copy(update={"run": config.run.model_copy(update={"folder": str(tmp_path / "file")})})
    with pytest.raises(OutputError, match="file is not a writable folder"):
        train(below)
    named = config.model_copy(update={"run": config.run.model_copy(update={"name": "file"})})
    with pytest.raises(OutputError, match="file is not a writable folder"):
        train(named)


@pytest.mark.parametrize("status", ["training", "done"])
def test_a_run_is_resumed_from_another_folder(
    settings: Settings, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    shutil.copytree(small_set, tmp_path / "data/pets")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    run = train(settings("data=data/pets", "run.folder=runs", "name=one", "epochs=1"))
    run.write_metadata(run.read_metadata(), update={"status": status})
    run.predictions(Split.TEST).unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume(Path("../runs/one")).predictions(Split.TEST).is_file()

"""Training in two processes of torchrun: the weights of one, one writer, and a killed process ends and resumes it."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from petmood.configs.load import compose
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.callbacks import read_checkpoint
from tests.support.killing import count_rows, same_weights
from tests.support.small_sets import SMALL, write_small_set
from tests.support.torchrun import Ended, is_running, torchrun

pytestmark = [pytest.mark.posix, pytest.mark.proof, pytest.mark.spawns]

EPOCHS: Final = 4
STEPS_PER_EPOCH: Final = 2
WITHIN_S: Final = 90.0
"""All end within so long of a kill: torchrun sends SIGTERM at once, and SIGKILL after 30 s; on a busy machine later."""
WITHOUT_DRAWS: Final = ("model.dropout=0", "augment=heavy", f"epochs={EPOCHS}", "trainer.batch_size=22")
"""Dropout is drawn by each process for its own photos, so the comparison with one process is without it."""
DOUBLE: Final = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
from petmood.configs.load import compose
from petmood.core.parent_process import end_with_parent
from petmood.core.world import ALONE, World
from petmood.data.index import Split
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.training_sets import open_splits
from petmood.training.dataset import open_index
from petmood.training.fit import fit_network, make_network
from petmood.training.process_group import joined_group

home, _, *words = sys.argv[1:]
end_with_parent()

def fitted(world, folder):
    config = compose(words)
    data = Path(config.data.path)
    index = open_index(data)
    sets = open_splits(config, data, index, {Split.TRAIN, Split.VALID}, classes=index.classes)
    settings = fit_settings(config)
    settings = replace(settings, trainer=replace(settings.trainer, precision="64-true"))
    network = make_network(settings, classes=len(index.classes))
    done = fit_network(settings, sets[Split.TRAIN], sets[Split.VALID], folder=folder, network=network, world=world)
    return done.network.state_dict(), (folder / "metrics.csv").read_text()

world = World(int(os.environ["RANK"]), 2, 2)
with joined_group(world):
    together, rows = fitted(world, Path(home, f"together-{world.rank}"))
if world.is_first:
    alone, own = fitted(ALONE, Path(home, "alone"))
    furthest = max(float((together[name] - alone[name]).abs().max()) for name in alone)
    Path(home, "compared.json").write_text(json.dumps({"furthest": furthest, "rows": rows, "own": own}))
"""
"""Train in two processes, and then in the first one alone, in 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A run in two processes that nothing disturbed, and how it ended."""

    home: Path
    data: Path
    run: RunFolder
    ended: Ended


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return a run in two processes on 33 photos: they don't divide into equal batches and parts."""
    home = tmp_path_factory.mktemp("together")
    data = write_small_set(home / "data", train=33, valid=17)
    ended = torchrun(["train", *wanted(data, home, name="whole")], home=home / "home")
    assert ended.status == 0, ended.said
    return Undisturbed(home, data, RunFolder(home / "whole"), ended)


def wanted(data: Path, folder: Path, *, name: str) -> list[str]:
    """Return the overrides of a run."""
    return [*SMALL, *WITHOUT_DRAWS, f"data={data}", f"run.folder={folder}", f"name={name}"]


def test_two_processes_give_the_weights_of_one_in_64_bits(tmp_path: Path) -> None:
    """In 32 bits the sums are rounded in another order, which Adam's first steps enlarge; see the next test."""
    data = write_small_set(tmp_path / "data", train=33, valid=17)
    words = [*wanted(data, tmp_path, name="x"), "recipe.ema_decay=0.5", "recipe.freeze_epochs=1"]
    ended = torchrun(words, home=tmp_path / "home", program=DOUBLE)
    assert ended.status == 0, ended.said
    found = json.loads((tmp_path / "home" / "compared.json").read_text())
    assert found["furthest"] < 1e-9
    assert found["rows"] == found["own"]


def test_the_curves_of_two_processes_begin_as_those_of_one(undisturbed: Undisturbed, tmp_path: Path) -> None:
    alone = train(compose(wanted(undisturbed.data, tmp_path, name="alone")))
    rows = [
        [[float(value) for value in row.values()] for row in csv.DictReader(run.metrics_csv.read_text().splitlines())]
        for run in (alone, undisturbed.run)
    ]
    np.testing.assert_allclose(rows[0][0], rows[1][0], rtol=1e-4)
    np.testing.assert_allclose(rows[0], rows[1], rtol=0.05)
    names = [{path.relative_to(run.path) for path in run.path.rglob("*")} for run in (alone, undisturbed.run)]
    assert names[0] == names[1]


def test_the_first_process_alone_writes_the_run(undisturbed: Undisturbed) -> None:
    first, second = undisturbed.ended.written
    kept = {str(path) for path in undisturbed.run.path.rglob("*") if path.is_file()}
    assert kept <= first | {str(undisturbed.run.log)}, "the first process writes the run"
    ours = (str(undisturbed.run.path), str(undisturbed.data))
    assert [name for name in second if name.startswith(ours)] == []
    assert list((undisturbed.home / "home" / "tmp").glob("petmood-*")) == [], "its temporary folder is gone"
    assert undisturbed.ended.said.count("Run: ") == 1
    assert undisturbed.run.read_metadata().status == "done"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_training_which_resumes_to_the_same_weights(
    undisturbed: Undisturbed, tmp_path: Path, rank: int
) -> None:
    run = RunFolder(tmp_path / "killed")
    words = wanted(undisturbed.data, tmp_path, name="killed")
    killed = torchrun(["train", *words], home=tmp_path / "home", die=f"{rank}:{STEPS_PER_EPOCH * 2 + 1}")
    assert killed.status != 0
    assert killed.after_s is not None
    assert killed.after_s < WITHIN_S
    assert [pid for pid in killed.pids if is_running(pid)] == [], "no process is left"
    (line,) = killed.lines
    assert "Training stopped, since one of its processes ended." in line
    assert f"--resume {run.path}" in line
    assert run.read_metadata().status == "training"
    assert read_checkpoint(run.checkpoints / "last.ckpt")["epoch"] == 1
    assert count_rows(run.metrics_csv) == 2
    assert list(run.path.rglob(".*.partial")) == []

    resumed = torchrun(["train", "--resume", str(run.path)], home=tmp_path / "home")
    assert resumed.status == 0, resumed.said
    assert same_weights(run, undisturbed.run)
    assert run.metrics_csv.read_text() == undisturbed.run.metrics_csv.read_text()


def test_a_recipe_in_closed_form_is_one_line(undisturbed: Undisturbed, tmp_path: Path) -> None:
    words = [*wanted(undisturbed.data, tmp_path, name="closed"), "recipe=linear_probe", "weights=none"]
    ended = torchrun(["train", *words], home=tmp_path / "home")
    assert ended.status != 0
    (line,) = ended.lines
    assert "in one process; it was started in 2. Start it without torchrun." in line
    assert not (tmp_path / "closed").exists()

"""A training that is killed at twenty random moments, and resumed each time, equals an uninterrupted one."""

import csv
import random
import signal
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.training.callbacks import read_checkpoint
from petmood.training.folder import RunFolder
from petmood.training.run import train
from tests.integration.killing import count_rows, nursery, same_weights
from tests.integration.small_sets import SMALL, write_small_set
from tests.support.kill_points import count_calls

KILLS = 20
EPOCHS = 40


@pytest.mark.proof
@pytest.mark.spawns
@pytest.mark.parametrize(
    "recipe", [("recipe.mixup=0.2",), ("recipe.ema=0.9", "recipe.head_epochs=3")], ids=["mixup", "ema"]
)
def test_twenty_kills_at_random_moments_change_nothing(tmp_path: Path, recipe: tuple[str, ...]) -> None:
    """Each some epochs on and a part of one: at the start, in checkpoints, and when little or nothing is left."""
    data = write_small_set(tmp_path / "data")
    wanted = [*SMALL, *recipe, "augment=heavy", f"data={data}", f"run.folder={tmp_path}", f"epochs={EPOCHS}"]
    whole = train(compose([*wanted, "name=whole"]))
    calls_of_an_epoch = count_calls(lambda: train(compose([*wanted, "name=short", "epochs=4"]))) // 4
    config, run = compose([*wanted, "name=killed"]), RunFolder(tmp_path / "killed")
    chance, codes, reached = random.Random(22), [], []
    with nursery() as children:
        for _ in range(KILLS):
            on, part = chance.randint(0, 4), chance.randrange(calls_of_an_epoch)
            codes.append(children.kill(config, run, after_epochs=count_rows(run.curves) + on, then_calls=part))
            reached.append(count_rows(run.curves))
            refuse_torn_files(run)
        children.begin(config, run)
        assert children.end() == 0
    assert codes.count(-signal.SIGKILL) >= KILLS // 2, "most kills have to meet a running training"
    assert len(set(reached)) > 3, f"the kills met too few different epochs: {reached}"
    assert run.read_facts().status == "done"
    assert same_weights(whole, run)
    with run.curves.open(newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(EPOCHS))
    assert run.curves.read_text() == whole.curves.read_text()
    assert list(run.path.rglob(".*.partial")) == []


def refuse_torn_files(run: RunFolder) -> None:
    """Read whatever lies under a final name; a torn file would not be readable."""
    for checkpoint in run.checkpoints.glob("*.ckpt"):
        assert read_checkpoint(checkpoint)["epoch"] >= 0
    if run.facts.exists():
        run.read_facts()
        run.read_config()
    for line in run.curves.read_text().splitlines()[1:] if run.curves.exists() else []:
        assert line.count(",") == 3

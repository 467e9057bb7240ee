"""Training killed at twenty random moments and resumed each time, with a result equal to an uninterrupted one."""

import csv
import random
import signal
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.callbacks import read_checkpoint
from tests.support.kill_points import count_calls
from tests.support.killing import count_rows, nursery, same_weights
from tests.support.small_sets import SMALL, write_small_set

KILLS = 20
EPOCHS = 40


@pytest.mark.posix
@pytest.mark.proof
@pytest.mark.spawns
@pytest.mark.parametrize(
    "recipe", [("recipe.mixup=0.2",), ("recipe.ema_decay=0.9", "recipe.freeze_epochs=3")], ids=["mixup", "ema"]
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
            codes.append(children.kill(config, run, after_epochs=count_rows(run.metrics_csv) + on, then_calls=part))
            reached.append(count_rows(run.metrics_csv))
            refuse_torn_files(run)
        children.begin(config, run)
        assert children.end() == 0
    assert codes.count(-signal.SIGKILL) >= KILLS // 2, "most kills have to meet a running training"
    assert len(set(reached)) > 3, f"the kills met too few different epochs: {reached}"
    assert run.read_metadata().status == "done"
    assert same_weights(whole, run)
    found, expected = metrics_of(run), metrics_of(whole)
    assert [row["epoch"] for row in found] == list(range(EPOCHS))
    # The weights are equal to the last bit. The loss of averaged weights on validation photos differs after a resume by
    # 1e-6 in an epoch or none, on some processors.
    assert found == [pytest.approx(row, abs=2e-6) for row in expected]
    assert list(run.path.rglob(".*.partial")) == []


def metrics_of(run: RunFolder) -> list[dict[str, float]]:
    with run.metrics_csv.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def refuse_torn_files(run: RunFolder) -> None:
    """Read whatever lies under a final name; a torn file would not be readable."""
    for checkpoint in run.checkpoints.glob("*.ckpt"):
        assert read_checkpoint(checkpoint)["epoch"] >= 0
    if run.metadata.exists():
        run.read_metadata()
        run.read_config()
    for line in run.metrics_csv.read_text().splitlines()[1:] if run.metrics_csv.exists() else []:
        assert line.count(",") == 3

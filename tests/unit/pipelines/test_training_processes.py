"""Settings that don't fit the processes, and what is said when one ends; tests/integration trains in several."""

import os
from pathlib import Path

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined] # not in __all__

from petmood.configs.load import compose
from petmood.core.errors import ConfigError, RunError
from petmood.core.world import ALONE, World
from petmood.pipelines import training_processes
from petmood.pipelines.train import train
from petmood.pipelines.training_processes import conduct, lost_message, refuse_misfit
from petmood.training.process_group import ProcessGroup
from tests.support.ports import free_port
from tests.support.small_sets import SMALL, write_small_set


def test_more_devices_than_processes_are_refused_with_the_command_before_anything_is_written(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data")
    config = compose([*SMALL, f"data={data}", f"run.folder={tmp_path / 'runs'}", "trainer.devices=2"])
    with pytest.raises(ConfigError, match=r"devices=2, got 1\. Start them with: .*torchrun.* --nproc-per-node 2"):
        train(config)
    assert not (tmp_path / "runs").exists()


def test_a_teacher_is_refused_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_processes._joined, "group", ProcessGroup(World(0, 2, 2), HashStore()))
    refuse_misfit(compose([*SMALL]))
    with pytest.raises(ConfigError, match=r"recipe.teacher=runs/first: a network learns from a teacher in one process"):
        refuse_misfit(compose([*SMALL, "recipe.teacher=runs/first"]))


@pytest.mark.parametrize("devices", ["1", "auto"])
def test_one_process_fits_one_device_and_any_recipe(devices: str) -> None:
    refuse_misfit(compose([*SMALL, f"trainer.devices={devices}"]))
    refuse_misfit(compose(["recipe=linear_probe", "weights=none"]))


def test_the_first_process_conducts_and_its_errors_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "RANK": 0, "WORLD_SIZE": 1}.items():
        monkeypatch.setenv(name, str(value))
    done = []
    conduct(ALONE, lambda: done.append(os.getpid()))
    assert done == [os.getpid()]

    def fail() -> None:
        raise RunError("no such run")

    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with pytest.raises(RunError, match=r"^no such run$"):
        conduct(ALONE, fail)


def test_a_process_without_the_others_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match="Process 1 of 2 can't reach the others"):
        conduct(World(1, 2, 2), lambda: None)


def test_before_a_run_is_known_the_command_to_resume_has_a_place_for_it() -> None:
    assert lost_message().startswith("Training stopped, since one of its processes ended. Start all of them again")
    assert lost_message().endswith("train --resume RUN")

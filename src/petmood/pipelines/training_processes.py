"""Training of a run in several processes: the first one conducts and writes, the others help it train."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from petmood.configs.schema import Config
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError
from petmood.core.world import ALONE, World
from petmood.data.index import Split
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.pipelines.training_sets import choosing_photos, open_splits
from petmood.training.dataset import open_index
from petmood.training.fit import fit_network, make_network
from petmood.training.process_group import ProcessGroup, joined_group, translate_lost_process

__all__ = ["conduct", "joint_training", "lost_message", "refuse_misfit"]


@dataclass(slots=True)
class _Joined:
    """The group that this process has joined, and the run that it trains."""

    group: ProcessGroup | None = None
    run: Path | None = None


_joined: Final = _Joined()


def conduct(world: World, work: Callable[[], object], *, on_last: Callable[[], object] = lambda: None) -> None:
    """Call ``work`` in the first process, and help it train in the others until it has ended, well or not.

    The others call ``on_last`` when they know that no more training follows.

    Raises:
        RunError: another process ended, or can't be reached.
        PetmoodError: as ``work``, in the first process alone.
    """
    with translate_lost_process(world, lost_message), joined_group(world) as group:
        if not world.is_first:
            _help(group, on_last)
            return
        _joined.group = group
        try:
            work()
        finally:
            _joined.group = None
            group.end()


def lost_message() -> str:
    """Return what to say when another process has ended, or this one gets SIGTERM."""
    run = "RUN" if _joined.run is None else _joined.run
    resumed = shell_command("train", "--resume", run)
    where = "" if _joined.run is None else f" {_joined.run} is as of its last complete epoch."
    return (
        f"Training stopped, since one of its processes ended.{where} "
        f"Start all of them again with torchrun, and in each: {resumed}"
    )


@contextmanager
def joint_training(run: RunFolder, config: Config, facts: RunMetadata) -> Iterator[World]:
    """Let the other processes train this run, too, and return this one's place among them.

    Raises:
        ConfigError: the recipe or the devices don't fit several processes.
        RunError: another process ended.
    """
    refuse_misfit(config)
    group = _joined.group
    if group is None:
        yield ALONE
        return
    _joined.run = run.path
    task = {"config": config.model_dump(mode="json"), "facts": facts.model_dump(mode="json")}
    group.send(task | {"data": str(run.dataset().resolve()), "run": str(run.path)})
    with translate_lost_process(group.world, lost_message):
        yield group.world


def refuse_misfit(config: Config) -> None:
    """Refuse settings that don't fit the number of processes.

    Raises:
        ConfigError: a head fitted in closed form, or a teacher, in several processes; or other devices than processes.
    """
    world = ALONE if _joined.group is None else _joined.group.world
    if world.size > 1 and config.recipe.kind != "gradient":
        raise ConfigError(
            f"The recipe {config.recipe.name} fits a head to features that are computed once, in one process; it was "
            f"started in {world.size}. Start it without torchrun."
        )
    if world.size > 1 and config.recipe.teacher is not None:
        raise ConfigError(
            f"recipe.teacher={config.recipe.teacher}: a network learns from a teacher in one process; it was started "
            f"in {world.size}. Start it without torchrun."
        )
    devices = config.trainer.devices
    if devices not in {"auto", 1, world.local_size}:
        started = shell_command("--nproc-per-node", devices, "-m", "petmood", "train", "...", program="torchrun")
        raise ConfigError(
            f"Expected one process for each of trainer.devices={devices}, got {world.local_size}. "
            f"Start them with: {started}"
        )


def _help(group: ProcessGroup, on_last: Callable[[], object]) -> None:
    while task := group.receive():
        _joined.run = Path(task["run"])
        _train(task, group.world)
    on_last()
    group.confirm_end()


def _train(task: dict[str, Any], world: World) -> None:
    """Train the network of a task beside the first process, and keep nothing; weights come from the first process."""
    config, facts = Config.model_validate(task["config"]), RunMetadata.model_validate(task["facts"])
    folder = Path(task["data"])
    index = open_index(folder, expected_hash=facts.data_hash)
    sets = open_splits(config, folder, index, {Split.TRAIN, Split.VALID}, classes=facts.classes)
    settings = replace(fit_settings(config), weights="none")
    with TemporaryDirectory(prefix="petmood-") as temporary:
        fit_network(
            settings,
            sets[Split.TRAIN],
            choosing_photos(sets[Split.VALID], facts, config),
            folder=Path(temporary),
            network=make_network(settings, classes=len(facts.classes)),
            world=world,
        )

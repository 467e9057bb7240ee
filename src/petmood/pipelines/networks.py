"""The trained network of a run, and that of the teacher that a run learns from."""

from pathlib import Path

from safetensors.torch import load_file

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, RunError
from petmood.models.distillation import Teacher
from petmood.models.network import ExpressionNet, build_network
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.run_folder import RunFolder, RunMetadata, open_run, places_of

__all__ = ["find_fitting_teacher", "find_teacher", "load_network", "load_teacher"]


def load_network(run: RunFolder) -> ExpressionNet:
    """Return the network of a finished run in evaluation mode.

    Raises:
        RunError: the weights are missing or don't match the settings.
    """
    config, facts = run.read_config(), run.read_metadata()
    network = build_network(fit_settings(config).network, image=facts.image, classes=len(facts.classes))
    try:
        network.load_state_dict(load_file(run.weights))
    except Exception as error:  # safetensors and torch have no common exception class
        raise RunError(
            f"{run.weights} can't be read as weights of {facts.backbone}. "
            "An earlier version of petmood may have written them. Train the run again."
        ) from error
    return network.eval()


def find_teacher(config: Config, *, run: RunFolder) -> RunFolder | None:
    """Return the run that is the teacher of another; None if it has none.

    A relative path is looked for as that of the dataset is: in the current folder, then in each above the run's.

    Raises:
        RunError: there is no finished run at any of these paths.
    """
    named = config.recipe.teacher
    if named is None:
        return None
    found = (place for place in places_of(Path(named), near=[run.path]) if RunFolder(place).metadata.is_file())
    return open_run(next(found, Path(named)))


def find_fitting_teacher(config: Config, facts: RunMetadata, *, run: RunFolder) -> RunFolder | None:
    """Return the teacher's run, None if there is none; ``facts`` are those of the student's run.

    Raises:
        ConfigError: the student's recipe has no gradient steps, or the teacher has other classes, another data version
            or another way to resize photos. One that was trained on another split may know the student's test photos.
        RunError: there is no such run, or it is not finished.
    """
    found = find_teacher(config, run=run)
    if found is None:
        return None
    if config.recipe.kind != "gradient":
        raise ConfigError(
            f"recipe.teacher={config.recipe.teacher}: the recipe {config.recipe.name} fits a head in one step, so it "
            "can't learn from a teacher. Choose one with gradient steps, such as recipe=finetune."
        )
    theirs = found.read_metadata()
    for what, own, other in (
        ("classes", ", ".join(facts.classes), ", ".join(theirs.classes)),
        ("data version", facts.data_hash[:12], theirs.data_hash[:12]),
        ("model.resize", facts.image.resize, theirs.image.resize),
    ):
        if own != other:
            raise ConfigError(f"recipe.teacher={config.recipe.teacher}: expected {what} {own}, got {other}.")
    return found


def load_teacher(config: Config, facts: RunMetadata, *, run: RunFolder) -> Teacher | None:
    """Return the teacher of a run with its network, None if it has none; ``facts`` are those of the student's run.

    Raises:
        ConfigError: as ``find_fitting_teacher``.
        RunError: as ``find_fitting_teacher``, or the teacher's weights don't fit its network.
    """
    found = find_fitting_teacher(config, facts, run=run)
    if found is None:
        return None
    recipe, side_px = config.recipe, found.read_metadata().image.side_px
    return Teacher(load_network(found), side_px, recipe.teacher_temperature, recipe.teacher_weight)

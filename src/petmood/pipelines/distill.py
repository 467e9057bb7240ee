"""Distillation of a run's network into a smaller backbone, by the training pipeline itself."""

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, RunError
from petmood.core.progress import ProgressBar, no_progress
from petmood.models.catalog import ImagenetSource, find_backbone
from petmood.pipelines.networks import find_teacher
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import resume, train

__all__ = ["distill", "student_settings"]


def student_settings(run: RunFolder, backbone: str) -> Config:
    """Return the settings of a student of a run: those of the run, with another backbone and the run as its teacher.

    Its folder is beside that of the run, and named after both. It begins with ImageNet weights if the recipe does and
    the backbone has any.

    Raises:
        ConfigError: an unknown backbone.
    """
    values, found = run.read_config().model_dump(mode="json"), find_backbone(backbone)
    weights = "none" if found.imagenet is ImagenetSource.NONE else "auto"
    values["model"] |= {"backbone": found.name, "weights": weights, "mean": None, "std": None}
    values["recipe"]["teacher"] = str(run.path)
    values["run"] = {"folder": str(run.path.parent), "name": f"{run.path.resolve().name}-{backbone}"}
    values["data"]["path"] = str(run.dataset())
    return Config.model_validate(values)


def distill(run: RunFolder, backbone: str, *, progress: ProgressBar = no_progress) -> RunFolder:
    """Train a student of a run with another backbone and return its run; an interrupted one is resumed.

    Raises:
        ConfigError: an unknown backbone, the backbone of the run itself, or a recipe that can't have a teacher.
        DataError: the photos of the run are not there.
        OutputLocked: another process is training the student.
        RunError: its folder holds another run.
    """
    if backbone == run.read_metadata().backbone:
        raise ConfigError(f"Expected another backbone than {backbone}, which the run {run.path} has itself.")
    config = student_settings(run, backbone)
    student = RunFolder(run.path.parent / str(config.run.name))
    if not student.metadata.exists():
        return train(config, progress=progress)
    teacher = find_teacher(student.read_config(), run=student)
    if teacher is None or teacher.path.resolve() != run.path.resolve():
        raise RunError(f"{student.path} holds a run without the teacher {run.path}. Rename its folder, or remove it.")
    return resume(student.path, progress=progress)

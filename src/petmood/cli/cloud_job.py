"""Entry point of a training container on Vertex AI: `petmood cloud run-job`."""

import contextlib
import os
from pathlib import Path
from tempfile import gettempdir

import click

from petmood.cli.processes import in_every_process
from petmood.cli.progress import progress_bar

__all__ = ["run_job"]


@click.command("run-job")
@click.argument("overrides", nargs=-1)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Folder for all files of the job; default: petmood-job in the system's folder for temporary files.",
)
def run_job(*, overrides: tuple[str, ...], work: Path | None) -> None:
    """Train in a container of Vertex AI.

    It does what `petmood run` does. Runs are stored in $AIP_CHECKPOINT_DIR after each epoch, and a job that is started
    again resumes from there. The bundle comes to $AIP_MODEL_DIR, and learning curves to $AIP_TENSORBOARD_LOG_DIR.
    Paths in OVERRIDES are absolute, such as data=/gcs/BUCKET/data/pets. In a job with several machines ($CLUSTER_SPEC),
    the first one does all that, and the others help it train.
    """
    from petmood.cloud.vertex_environment import torchrun_variables

    os.environ.update(torchrun_variables(os.environ))
    in_every_process(lambda: _run_job(overrides, work=work))


def _run_job(overrides: tuple[str, ...], *, work: Path | None) -> None:
    from petmood.cli.recommended import with_recommended
    from petmood.cloud.job_storage import RunMirror, mirrored, open_store, publish_bundle, restore_runs
    from petmood.cloud.vertex_environment import read_job_environment
    from petmood.configs.load import compose, with_demo

    to = read_job_environment(os.environ)
    checkpoints, model = open_store(to.checkpoints), open_store(to.model)
    curves = open_store(to.logs) if to.logs else None
    folder = work or Path(gettempdir()) / "petmood-job"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        is_tracked = any(override.partition("=")[0].partition(".")[0] == "tracker" for override in overrides)
        chosen = with_recommended(overrides if is_tracked else ("tracker=none", *overrides))
        settings = compose(with_demo(chosen))
        runs = Path(settings.run.folder)
        if restore_runs(checkpoints, runs):
            click.echo(f"Resuming: the runs were restored from {checkpoints.address}.", err=True)
        from petmood.pipelines.end_to_end import run_pipeline  # torch is imported only after the settings are validated

        with mirrored(RunMirror(runs, checkpoints, curves=curves)):
            result = run_pipeline(settings, progress=progress_bar)
        is_new = publish_bundle(model, result.bundle)
    click.echo(f"Bundle: {model.address}" + ("" if is_new else " (it was there already)"))

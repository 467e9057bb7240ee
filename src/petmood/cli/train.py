"""Commands with training settings: `petmood train`, `crossval`, `profile` and `config`."""

import os
from pathlib import Path

import click

from petmood.cli.output import echo_json
from petmood.cli.processes import in_every_process
from petmood.cli.progress import progress_bar
from petmood.core.commands import shell_command
from petmood.core.output_paths import refuse_unwritable
from petmood.core.world import refuse_several_processes

__all__ = ["config", "crossval", "profile", "train"]


@click.command()
@click.argument("overrides", nargs=-1)
@click.option("-m", "--multirun", is_flag=True, help="One run for each combination: seed=1,2 recipe=scratch,finetune.")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume a stopped run from its last complete epoch.")
def train(*, overrides: tuple[str, ...], multirun: bool, resume: Path | None) -> None:
    """Train a network. OVERRIDES are settings: data=data/pets backbone=efficientnet_b0 recipe=finetune.

    In several processes: torchrun --nproc-per-node 2 -m petmood train ...
    """
    if resume is not None and overrides:
        raise click.UsageError("A resumed run keeps its settings; leave the overrides out.")
    in_every_process(lambda: _train(overrides, multirun=multirun, resume=resume))


def _train(overrides: tuple[str, ...], *, multirun: bool, resume: Path | None) -> None:
    from petmood.configs.load import compose, expand_multirun

    settings = [compose(one) for one in (expand_multirun(overrides) if multirun else [list(overrides)])]
    from petmood.pipelines import train as run  # torch is imported only after the settings are validated

    runs = (
        run.train_each(settings, progress=progress_bar)
        if resume is None
        else [run.resume(resume, progress=progress_bar)]
    )
    for done in runs:
        click.echo(f"Run: {done.path}. Next: {shell_command('evaluate', done.path)}")


@click.command()
@click.argument("overrides", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print all metrics as JSON.")
def crossval(*, overrides: tuple[str, ...], as_json: bool) -> None:
    """Cross-validate a recipe over all original photos, by group. OVERRIDES as for train, and folds=5.

    Each fold is stored when it ends. The same command continues an interrupted cross-validation.
    """
    from petmood.cli.tables import crossval_text
    from petmood.configs.load import compose

    refuse_several_processes(os.environ, "crossval")

    settings = compose(overrides)
    from petmood.pipelines.crossval import CrossvalReport
    from petmood.pipelines.crossval import crossval as measure

    def show(report: CrossvalReport) -> None:
        echo_json(report.to_json(), indent=2) if as_json else click.echo(crossval_text(report))

    done = measure(settings, on_result=show, progress=progress_bar)
    if not as_json:
        click.echo(f"Report: {done.folder / 'crossval.html'}. All metrics: {done.folder / 'crossval.json'}")


@click.command()
@click.argument("overrides", nargs=-1)
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    default=Path("profiles"),
    show_default=True,
    help="Folder of the trace and the table.",
)
@click.option("--top", default=15, show_default=True, help="Number of rows of the table.")
def profile(*, overrides: tuple[str, ...], to: Path, top: int) -> None:
    """Profile some training steps; writes a trace and a table of the most expensive operations."""
    from petmood.configs.load import compose

    refuse_several_processes(os.environ, "profile")
    settings = compose(overrides)
    refuse_unwritable(to)
    from petmood.pipelines.profile import profile_training

    found = profile_training(settings, to=to, top=top, progress=progress_bar)
    click.echo(found.text)
    click.echo(f"Trace: {found.trace} (open it in Perfetto or chrome://tracing). Table: {found.table}")


@click.command()
@click.argument("overrides", nargs=-1)
def config(*, overrides: tuple[str, ...]) -> None:
    """Show the settings composed with OVERRIDES, and the groups to choose from."""
    from petmood.configs.load import compose, dump, groups

    click.echo(dump(compose(overrides)), nl=False)
    for name, options in groups().items():
        click.echo(f"# {name}: {', '.join(options)}")

"""Command that runs the end-to-end pipeline: `petmood run`."""

from pathlib import Path

import click

from petmood.cli.processes import in_every_process
from petmood.cli.progress import progress_bar
from petmood.cli.recommended import done_text, with_recommended
from petmood.core.commands import shell_command

__all__ = ["run"]


@click.command()
@click.argument("overrides", nargs=-1)
@click.option(
    "--bundles",
    default="bundles",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the bundle, which is named after the dataset.",
)
def run(*, overrides: tuple[str, ...], bundles: Path) -> None:
    """Run the whole pipeline on the demo data, or on data=FOLDER, skipping what is up to date.

    Without experiment=, model=, backbone=, weights= or recipe=, these are chosen by the number of original photos.
    Without test photos, a closed-form recipe is cross-validated, and that is the main result.
    """
    in_every_process(lambda: _run(overrides, bundles=bundles))


def _run(overrides: tuple[str, ...], *, bundles: Path) -> None:
    from petmood.cli.tables import headline_text, model_notices, prediction_text
    from petmood.configs.load import compose, with_demo
    from petmood.data.generated import CHECK_NAME, find_generated
    from petmood.data.wording import counted

    overrides = with_recommended(overrides)
    settings = compose(with_demo(overrides))
    from petmood.pipelines.crossval import crossval_folder
    from petmood.pipelines.end_to_end import run_pipeline  # torch is imported only after the settings are validated

    result = run_pipeline(settings, bundles=bundles, progress=progress_bar)
    click.echo(done_text(result.done))
    click.echo(headline_text(result.run.evaluation.read_text("utf-8")))
    if result.advises_crossval:
        more = shell_command("run", *overrides, f"evaluation.crossval={crossval_folder(settings)}")
        click.echo(
            "\nThere are no test photos: these numbers are of validation photos. To cross-validate the recipe, which "
            f"trains it {settings.crossval.folds} times, and to use the result:"
        )
        alone = ("crossval.leakage=false", "crossval.permuted_labels=false")
        click.echo(f"  {shell_command('crossval', *overrides, *alone)}\n  {more}")
    if result.predictions:
        click.echo(f"\n{counted(len(result.predictions), 'unseen photo' if result.has_test else 'validation photo')}:")
    for one in result.predictions:
        click.echo(f"  {prediction_text(str(one.photo), one.answer)}")
    for notice in model_notices(one.answer for one in result.predictions):
        click.echo(f"\n{notice}")
    click.echo(f"\nData    {result.data}   ({find_generated(result.data, CHECK_NAME)})")
    click.echo(f"Report  {result.run.report}")
    click.echo(f"Bundle  {result.bundle}")
    photo = [str(one.photo) for one in result.predictions[:1]] or ["PHOTO"]
    click.echo(f"\nNext: {shell_command('predict', result.bundle, *photo)}")
    click.echo(f"      {shell_command('serve', result.bundle)}")

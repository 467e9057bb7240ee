"""Which verbs handle photos? `petmood data import` and `petmood data check`."""

from pathlib import Path

import click

from petmood.cli.show import bar

__all__ = ["data"]


@click.group()
def data() -> None:
    """Import photos, and check what was imported."""


@data.command(name="import")
@click.argument("source", metavar="SOURCE")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), help="The data set's folder, such as data/pets.")
@click.option("--skip-bad/--no-skip-bad", default=None, help="Leave bad photos out, and list them in rejected.csv.")
@click.option("--mend", is_flag=True, help="Keep evaluation photos, and drop their relatives from training.")
@click.option("--seed", default=0, show_default=True, help="Draws the splits where none are given.")
def import_(*, source: str, path: Path | None, to: Path, skip_bad: bool | None, mend: bool, seed: int) -> None:
    """Import photos from SOURCE: demo, folder, csv or kaggle; the last three take a PATH."""
    from petmood.data.importing import import_photos
    from petmood.data.sources import open_source

    report = import_photos(open_source(source, path), to=to, skip_bad=skip_bad, mend=mend, seed=seed, track=bar)
    click.echo(report.summary())
    click.echo(f"Data set: {to}, version {report.index.hash[:12]}. Next: petmood data check {to}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, *, folder: Path) -> None:
    """Check a data set; ends with 1 if anything would spoil a measurement. Leaves FOLDER/check.html."""
    from petmood.data.check_report import write_check_report
    from petmood.data.quality import check as check_photos

    report = check_photos(folder, track=bar)
    write_check_report(report, folder, to=folder / "check.html")
    click.echo(report.summary())
    click.echo(f"Report: {folder / 'check.html'}")
    context.exit(1 if report.spoils else 0)

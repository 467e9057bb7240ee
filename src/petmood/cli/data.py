"""Which verbs handle photos? `petmood data import`, `check`, `report` and `changed`."""

from pathlib import Path

import click

from petmood.cli.show import bar
from petmood.core.commands import shell_command

__all__ = ["data"]

MAX_DRIFT = click.option(
    "--max-drift", default=0.2, show_default=True, help="How far brightness, sharpness ... may move, from 0 to 1."
)
MAX_RELABELLED = click.option(
    "--max-relabelled", default=0.05, show_default=True, help="Share of the photos that stayed."
)


@click.group()
def data() -> None:
    """Import photos, check what was imported, and compare versions."""


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
    click.echo(f"Data set: {to}, version {report.index.hash[:12]}. Next: {shell_command('data', 'check', to)}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), help="The report's file; FOLDER/check.html where none is given.")
@click.pass_context
def check(context: click.Context, *, folder: Path, to: Path | None) -> None:
    """Check a data set; ends with 1 if anything would spoil a measurement. Leaves a report with pictures."""
    from petmood.data.check_report import write_check_report
    from petmood.data.quality import check as check_photos

    report, page = check_photos(folder, track=bar), to or folder / "check.html"
    write_check_report(report, folder, to=page)
    click.echo(report.summary())
    click.echo(f"Report: {page}")
    context.exit(1 if report.spoils else 0)


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="The last version, in another folder.")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="Where report.html, .md and .json go.")
@MAX_DRIFT
@MAX_RELABELLED
@click.pass_context
def report(
    context: click.Context, *, folder: Path, against: Path | None, to: Path, max_drift: float, max_relabelled: float
) -> None:
    """Compare a data set with its last version; ends with 1 if it is not fit to be the next one."""
    from petmood.data.change_report import write_change_report
    from petmood.data.change_verdict import Limits, report_change

    found = report_change(folder, against=against, limits=Limits(max_drift, max_relabelled), track=bar)
    write_change_report(found, folder, against=against, to=to)
    click.echo(found.summary())
    click.echo(f"Report: {to / 'report.html'}")
    context.exit(1 if found.bad else 0)


@data.command()
@click.option("--since", required=True, help="The commit to compare with, such as main.")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="Where the reports and report.md go.")
@MAX_DRIFT
@MAX_RELABELLED
@click.pass_context
def changed(context: click.Context, *, since: str, to: Path, max_drift: float, max_relabelled: float) -> None:
    """Report every data set whose .dvc pointer has changed; ends with 1 if a version is not fit."""
    from petmood.data.change_pointers import report_pointers
    from petmood.data.change_verdict import Limits

    found = report_pointers(Path(), since=since, to=to, limits=Limits(max_drift, max_relabelled), track=bar)
    for one in found:
        click.echo(one.summary())
    click.echo(f"Data sets with another version since {since!r}: {len(found)}. Report: {to / 'report.md'}")
    context.exit(1 if any(one.bad for one in found) else 0)

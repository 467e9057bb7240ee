"""Commands for datasets: `petmood data import`, `check`, `report` and `changed`."""

from pathlib import Path

import click

from petmood.cli.progress import progress_bar
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
@click.option(
    "--output",
    "-o",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    help="The data set's folder, such as data/pets.",
)
@click.option("--skip-bad/--no-skip-bad", default=None, help="Leave bad photos out, and list them in rejected.csv.")
@click.option("--drop_leaking", is_flag=True, help="Keep evaluation photos, and drop their relatives from training.")
@click.option("--seed", default=0, show_default=True, help="Draws the splits where none are given.")
def import_(*, source: str, path: Path | None, to: Path, skip_bad: bool | None, drop_leaking: bool, seed: int) -> None:
    """Import photos from SOURCE: demo, folder, csv or kaggle; the last three take a PATH."""
    from petmood.data.importer import import_photos
    from petmood.data.sources import open_source

    report = import_photos(
        open_source(source, path), to=to, skip_bad=skip_bad, mend=drop_leaking, seed=seed, track=progress_bar
    )
    click.echo(report.summary())
    click.echo(f"Data set: {to}, version {report.index.hash[:12]}. Next: {shell_command('data', 'check', to)}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    help="The report's file; FOLDER/check.html where none is given.",
)
@click.pass_context
def check(context: click.Context, *, folder: Path, to: Path | None) -> None:
    """Check a data set; ends with 1 if anything would spoil a measurement. Leaves a report with pictures."""
    from petmood.data.validation.issues import validate_dataset as check_photos
    from petmood.reports.dataset_check import write_check_report

    report, page = check_photos(folder, track=progress_bar), to or folder / "check.html"
    write_check_report(report, folder, to=page)
    click.echo(report.summary())
    click.echo(f"Report: {page}")
    context.exit(1 if report.has_blocking_issues else 0)


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="The last version, in another folder.")
@click.option(
    "--output", "-o", "to", required=True, type=click.Path(path_type=Path), help="Where report.html, .md and .json go."
)
@MAX_DRIFT
@MAX_RELABELLED
@click.pass_context
def report(
    context: click.Context, *, folder: Path, baseline: Path | None, to: Path, max_drift: float, max_relabelled: float
) -> None:
    """Compare a data set with its last version; ends with 1 if it is not fit to be the next one."""
    from petmood.data.validation.diff_rules import DiffLimits, check_diff
    from petmood.reports.dataset_diff import write_dataset_diff

    found = check_diff(folder, against=baseline, limits=DiffLimits(max_drift, max_relabelled), track=progress_bar)
    write_dataset_diff(found, folder, against=baseline, to=to)
    click.echo(found.summary())
    click.echo(f"Report: {to / 'report.html'}")
    context.exit(1 if found.has_violations else 0)


@data.command()
@click.option("--since", required=True, help="The commit to compare with, such as main.")
@click.option(
    "--output", "-o", "to", required=True, type=click.Path(path_type=Path), help="Where the reports and report.md go."
)
@MAX_DRIFT
@MAX_RELABELLED
@click.pass_context
def changed(context: click.Context, *, since: str, to: Path, max_drift: float, max_relabelled: float) -> None:
    """Report every data set whose .dvc pointer has changed; ends with 1 if a version is not fit."""
    from petmood.data.validation.diff_rules import DiffLimits
    from petmood.pipelines.dvc_diff import report_pointers

    found = report_pointers(
        Path(), since=since, to=to, limits=DiffLimits(max_drift, max_relabelled), track=progress_bar
    )
    for one in found:
        click.echo(one.summary())
    click.echo(f"Data sets with another version since {since!r}: {len(found)}. Report: {to / 'report.md'}")
    context.exit(1 if any(one.has_violations for one in found) else 0)

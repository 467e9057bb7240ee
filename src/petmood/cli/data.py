"""Commands for datasets: `petmood data import`, `check`, `issues`, `diff` and `upgrade`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.photos_option import kept_photos, photos_option
from petmood.cli.progress import progress_bar
from petmood.core.commands import shell_command
from petmood.core.extras import require

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from petmood.data.validation.diff_rules import DiffLimits
    from petmood.models.photo_embedding import PhotoEmbedder
    from petmood.monitoring.feedback.export import LabeledPhoto

__all__ = ["data"]

MAX_DRIFT = click.option(
    "--max-drift",
    default=0.2,
    show_default=True,
    help="Largest allowed drift of brightness, sharpness ..., from 0 to 1.",
)
MAX_RELABELLED = click.option(
    "--max-relabelled", default=0.05, show_default=True, help="Largest allowed share of relabeled photos."
)


@click.group()
def data() -> None:
    """Import photos, validate datasets, and compare versions."""


@data.command(name="import")
@click.argument("source", metavar="SOURCE")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    help="The dataset's folder, such as data/pets.",
)
@click.option("--skip-bad/--no-skip-bad", default=None, help="Skip bad photos, and list them in rejected.csv.")
@click.option("--drop-leaking", is_flag=True, help="Keep evaluation photos, and drop their group from training.")
@click.option("--map", "renamed", metavar="OLD=NEW", multiple=True, help="Rename a class; OLD=OLD takes it as it is.")
@click.option("--classes", metavar="A,B,...", default="", help="Take these classes alone, and refuse others.")
@click.option("--seed", default=0, show_default=True, help="Seed of the splits, if none are given.")
@click.option(
    "--search",
    type=click.Choice(["auto", "exhaustive", "two-stages"]),
    default="auto",
    show_default=True,
    help="How near-duplicates are found; auto takes two stages from 20,000 photos.",
)
@click.option("--replace", is_flag=True, help="Replace a dataset that has no photo in common with SOURCE.")
@click.option("--photo-column", default="", metavar="NAME", help="csv: the column of photos; detected if left out.")
@click.option("--label-column", default="", metavar="NAME", help="csv: the column of labels; detected if left out.")
@click.option("--split-column", default="", metavar="NAME", help="csv: the column of splits; detected if left out.")
@click.option("--delimiter", default="", metavar="CHAR", help="csv: such as ';', '|' or tab; detected if left out.")
def import_(  # noqa: PLR0913 - one per option
    *,
    source: str,
    path: Path | None,
    to: Path,
    skip_bad: bool | None,
    drop_leaking: bool,
    renamed: tuple[str, ...],
    classes: str,
    seed: int,
    search: str,
    replace: bool,
    **columns: str,
) -> None:
    """Import photos from SOURCE: demo, folder, csv or kaggle. The last three take a PATH."""
    from petmood.data.classes import parse_class_options
    from petmood.data.duplicates.chosen_search import ChosenSearch, SearchKind
    from petmood.data.importer import ImportOptions, import_photos
    from petmood.data.sources import TableOptions, open_source

    report = import_photos(
        open_source(source, path, table=TableOptions(**columns)),
        to=to,
        options=ImportOptions(
            skip_bad=skip_bad,
            drop_leaking=drop_leaking,
            seed=seed,
            classes=parse_class_options(renamed, allowed=classes),
        ),
        replace_unrelated=replace,
        find_near_duplicates=ChosenSearch(SearchKind(search), folder=to.absolute().parent, embedder=_embedder),
        progress=progress_bar,
    )
    click.echo(report.summary())
    click.echo(f"Dataset: {to}, data version {report.index.hash[:12]}. Next: {shell_command('data', 'check', to)}")


def _embedder() -> "AbstractContextManager[PhotoEmbedder]":
    """Load the network that embeds photos, which takes torch."""
    require("torch", extra="weights")
    from petmood.models.photo_embedding import open_embedder

    return open_embedder()


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    help="The report's file; default: FOLDER/check.html, or in the user's cache if FOLDER is read-only.",
)
@click.pass_context
def check(context: click.Context, *, folder: Path, to: Path | None) -> None:
    """Validate a dataset and write an HTML report. The exit status is 1 on blocking issues."""
    from petmood.core.output_paths import resolve_file
    from petmood.data.generated import CHECK_NAME, generated_path
    from petmood.data.validation.issues import validate_dataset as check_photos
    from petmood.reports.dataset_check import write_check_report

    page = to or generated_path(folder, CHECK_NAME)
    file = resolve_file(page) if to is not None or folder.is_dir() else page
    report = check_photos(folder, progress=progress_bar)
    click.echo(report.summary())
    write_check_report(report, folder, to=file)
    click.echo(f"Report: {page}")
    context.exit(1 if report.has_blocking_issues else 0)


@data.command(name="issues")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--crossval", type=click.Path(path_type=Path), help="Folder of a cross-validation of this dataset.")
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    help="The page's file; default: FOLDER/issues.html, or in the user's cache if FOLDER is read-only.",
)
@click.option(
    "--csv", "table", type=click.Path(path_type=Path), help="The table's file; default: FOLDER/issues.csv if writable."
)
@click.option("--log", "database", metavar="DATABASE", help="List photos with another label by feedback in this log.")
@photos_option
def issues_(
    *,
    folder: Path,
    crossval: Path | None,
    to: Path | None,
    table: Path | None,
    database: str | None,
    photos: Path | None,
) -> None:
    """List the photos to review first, such as likely label errors.

    Also duplicates, conflicts, and dark, light, blurry and odd photos. The page shows them, and the table lists them.
    Correct column label of the table, delete the rows of photos to drop, and import it into a new folder.
    """
    from petmood.core.output_paths import resolve_file
    from petmood.data.generated import ISSUES_NAME, generated_path
    from petmood.data.index import read_index
    from petmood.data.issue_table import default_table, refuse_target, write_issue_table
    from petmood.pipelines.data_issues import find_data_issues
    from petmood.reports.data_issues import write_issues_page

    index = read_index(folder)
    page = resolve_file(to or generated_path(folder, ISSUES_NAME))
    csv_file = table or default_table(folder)
    if csv_file:
        refuse_target(csv_file, folder, index)
    labeled = () if database is None else _labeled(database, photos)
    report = find_data_issues(folder, crossval=crossval, labeled=labeled, progress=progress_bar)
    click.echo(report.summary())
    write_issues_page(report, folder, table=csv_file, to=page)
    click.echo(f"Page: {to or page}")
    if csv_file is None:
        click.echo(f"Table: none, since {folder} is read-only. Give --csv FILE in a folder above it.")
        return
    write_issue_table(report, folder, to=csv_file)
    again = shell_command("data", "import", "csv", csv_file, "--output", folder.with_name(f"{folder.resolve().name}-2"))
    click.echo(f"Table: {csv_file}. Correct column label, delete rows of photos to drop, then: {again}")


def _labeled(database: str, photos: Path | None) -> "tuple[LabeledPhoto, ...]":
    """Return the kept photos with labels by feedback."""
    from petmood.cli.log import opened_log

    with opened_log(database) as engine:
        from petmood.monitoring.feedback.export import exportable

        return exportable(engine, kept_photos(engine, photos)).photos


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", "to", required=True, type=click.Path(path_type=Path), help="The new dataset's folder.")
def upgrade(*, folder: Path, to: Path) -> None:
    """Convert a dataset of format 1 to the current format. The old folder is not changed."""
    from petmood.data.index_upgrade import upgrade_dataset

    found = upgrade_dataset(folder, to=to)
    click.echo(f"Dataset: {to}, data version {found.hash[:12]}. Next: {shell_command('data', 'check', to)}")


@data.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="The previous version, in another folder.")
@click.option("--since", help="Compare every changed .dvc pointer with this commit, such as main; no FOLDER then.")
@click.option(
    "--output",
    "-o",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for report.html, .md and .json.",
)
@MAX_DRIFT
@MAX_RELABELLED
@click.pass_context
def diff(
    context: click.Context,
    *,
    folder: Path | None,
    baseline: Path | None,
    since: str | None,
    to: Path,
    max_drift: float,
    max_relabelled: float,
) -> None:
    """Compare a dataset with its previous version. The exit status is 1 if a rule is violated."""
    from petmood.core.output_paths import refuse_unwritable
    from petmood.data.validation.diff_rules import DiffLimits

    refuse_unwritable(to)
    limits = DiffLimits(max_drift, max_relabelled)
    if since is not None and folder is None and baseline is None:
        has_violations = _diff_since(since, to=to, limits=limits)
    elif since is None and folder is not None:
        has_violations = _diff_folders(folder, baseline, to=to, limits=limits)
    else:
        raise click.UsageError("Expected a FOLDER (with --baseline FOLDER), or --since COMMIT alone.")
    context.exit(1 if has_violations else 0)


def _diff_folders(folder: Path, baseline: Path | None, *, to: Path, limits: "DiffLimits") -> bool:
    from petmood.data.validation.diff_rules import check_diff
    from petmood.reports.dataset_diff import write_dataset_diff

    found = check_diff(folder, against=baseline, limits=limits, progress=progress_bar)
    click.echo(found.summary())
    write_dataset_diff(found, folder, against=baseline, to=to)
    click.echo(f"Report: {to / 'report.html'}")
    return found.has_violations


def _diff_since(since: str, *, to: Path, limits: "DiffLimits") -> bool:
    from petmood.pipelines.dvc_diff import report_pointers

    found = report_pointers(
        Path(),
        since=since,
        to=to,
        limits=limits,
        on_report=lambda one: click.echo(one.summary()),
        progress=progress_bar,
    )
    click.echo(f"Datasets changed since {since!r}: {len(found)}. Report: {to / 'report.md'}")
    return any(one.has_violations for one in found)

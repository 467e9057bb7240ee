"""Commands that move aliases and trace predictions: `petmood registry promote`, `rollback` and `lineage`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.progress import progress_bar
from petmood.cli.registry_options import current_author, in_registry, registry_command
from petmood.core.output_paths import refuse_unwritable

if TYPE_CHECKING:
    from petmood.registry.registry import Registry

__all__ = ["lineage", "promote", "rollback"]

WHO = click.option("--author", help="Who decides; default: the current user.")
WHY = click.option("--reason", default="", help="Reason; it is kept in the history.")


@click.command()
@click.argument("version")
@in_registry
@click.option("--to", "alias", required=True, help="champion or challenger; both after the same checks.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Evaluate on its held-out photos; default: the version's own."
)
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A promotion limit, such as criterion=non_inferior."
)
@click.option(
    "--report", "report_folder", type=click.Path(path_type=Path), help="Also write promotion.json, .md and .html here."
)
@WHO
@WHY
def promote(
    opened: "Registry",
    *,
    version: str,
    alias: str,
    data: Path | None,
    limits: tuple[str, ...],
    report_folder: Path | None,
    author: str | None,
    reason: str,
) -> None:
    """Move an alias to VERSION if it passes the promotion checks.

    For either alias, VERSION is compared with the present champion, and no check is skipped. If there is no champion,
    or VERSION is the champion, it is checked against absolute limits. If a check fails, the reasons are printed and
    the exit status is 3.
    """
    from petmood.pipelines.promote import promote as promote_version
    from petmood.pipelines.promote import read_limits
    from petmood.registry.base import CHAMPION, Author

    if report_folder is not None:
        refuse_unwritable(report_folder)
    found = opened.find(version)
    done = promote_version(
        opened,
        found,
        alias=alias,
        by=Author(current_author(author), reason),
        data=data,
        limits=read_limits(limits),
        report_folder=report_folder,
        progress=progress_bar,
    )
    before = f", instead of {done.change.before}" if done.change.before else ""
    undo = f". Undo with: {registry_command('rollback')}" if alias == CHAMPION and done.change.before else ""
    click.echo(f"Version {found.number} of {found.model} is {alias} now{before}{undo or '.'}")
    click.echo(done.report.reuse_text())


@click.command()
@in_registry
@WHO
@WHY
def rollback(opened: "Registry", *, author: str | None, reason: str) -> None:
    """Roll the champion alias back to its previous version."""
    from petmood.registry.base import Author

    change = opened.roll_back(Author(current_author(author), reason))
    click.echo(f"Version {change.to} of {opened.model} is champion again, instead of {change.before}.")


@click.command()
@click.argument("version")
@in_registry
@click.option("--photos", is_flag=True, help="List every photo with its SHA-256, as CSV.")
def lineage(opened: "Registry", *, version: str, photos: bool) -> None:
    """Show the origin of a prediction, with the training photos. VERSION may be the `model.sha256` of a response."""
    from petmood.cli.registry_tables import lineage_text, photos_text
    from petmood.promotion.lineage import find_lineage

    found = find_lineage(opened, version)
    click.echo(photos_text(found) if photos else lineage_text(found))

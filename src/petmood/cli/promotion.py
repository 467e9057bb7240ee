"""Commands that move aliases and trace predictions: `petmood registry promote`, `rollback` and `lineage`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.progress import progress_bar
from petmood.cli.registry_options import current_author, in_registry, registry_command

if TYPE_CHECKING:
    from petmood.registry.registry import Registry

__all__ = ["lineage", "promote", "rollback"]

WHO = click.option("--author", help="Who decides; default: author runs this.")
WHY = click.option("--reason", default="", help="Why; it stands in the history.")


@click.command()
@click.argument("version")
@in_registry
@click.option("--to", "alias", required=True, help="champion or challenger.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Judge on its held-out photos; default: the version's own."
)
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A limit of the gate: criterion=non_inferior."
)
@click.option("--report", "keep", type=click.Path(path_type=Path), help="Also write gate.json, .md and .html here.")
@WHO
@WHY
def promote(
    opened: "Registry",
    *,
    version: str,
    alias: str,
    data: Path | None,
    limits: tuple[str, ...],
    keep: Path | None,
    author: str | None,
    reason: str,
) -> None:
    """Let an alias point to VERSION if it passes the gate against the champion; else end with 3 and the reasons."""
    from petmood.pipelines.promote import promote as through_the_gate
    from petmood.pipelines.promote import read_limits
    from petmood.registry.base import Author

    found = opened.find(version)
    done = through_the_gate(
        opened,
        found,
        alias=alias,
        by=Author(current_author(author), reason),
        data=data,
        limits=read_limits(limits),
        keep=keep,
        track=progress_bar,
    )
    before = f", instead of {done.change.before}" if done.change.before else ""
    back = registry_command("rollback")
    click.echo(f"Version {found.number} of {found.model} is {alias} now{before}. Back with: {back}")


@click.command()
@in_registry
@WHO
@WHY
def rollback(opened: "Registry", *, author: str | None, reason: str) -> None:
    """Let the champion be the version that it was before."""
    from petmood.registry.base import Author

    change = opened.roll_back(Author(current_author(author), reason))
    click.echo(f"Version {change.to} of {opened.model} is champion again, instead of {change.before}.")


@click.command()
@click.argument("version")
@in_registry
@click.option("--photos", is_flag=True, help="List every photo with its SHA-256, as CSV.")
def lineage(opened: "Registry", *, version: str, photos: bool) -> None:
    """Tell where an answer comes from, down to its photos; VERSION is the `model.sha256` that stands in the answer."""
    from petmood.cli.registry_tables import lineage_text, photos_text
    from petmood.promotion.lineage import find_lineage

    found = find_lineage(opened, version)
    click.echo(photos_text(found) if photos else lineage_text(found))

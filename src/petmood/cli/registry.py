"""Commands for model versions: `petmood registry push, list, show, history, pull, promote, rollback, lineage` ..."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.output import echo_json
from petmood.cli.promotion import lineage, promote, rollback
from petmood.cli.registry_options import (
    current_author,
    in_new_registry,
    in_registry,
    public_key_option,
    registry_command,
)
from petmood.core.commands import shell_command

if TYPE_CHECKING:
    from petmood.registry.registry import Registry

__all__ = ["registry"]


@click.group()
def registry() -> None:
    """Manage model versions, and promote them after checks.

    VERSION is a number, an alias (champion, challenger, previous), or the beginning of a SHA-256.
    """


@registry.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@in_new_registry
@click.option("--author", help="Who registers it; default: the current user.")
@public_key_option
def push(opened: "Registry", *, bundle: Path, author: str | None, public_key: Path | None) -> None:
    """Register BUNDLE as a new version, with the signature beside it. One that is registered keeps its number."""
    version = opened.push(bundle, by=current_author(author), public_key=public_key)
    click.echo(
        f"Version {version.number} of {version.model}: {version.bundle} {version.bundle_version}, "
        f"manifest {version.sha256[:12]}. Next: {registry_command('promote', version.number, '--to', 'champion')}"
    )


@registry.command(name="list")
@in_registry
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(opened: "Registry", *, as_json: bool) -> None:
    """List the versions, with their aliases and accuracy."""
    from petmood.cli.registry_tables import versions_text

    state, versions = opened.state(), opened.versions()  # in this order, so that every version with an alias is listed
    rows = [one.shown() | {"aliases": state.of(one.number)} for one in versions]
    echo_json(rows, indent=2) if as_json else click.echo(versions_text(versions, state))


@registry.command()
@click.argument("version")
@in_registry
def show(opened: "Registry", *, version: str) -> None:
    """Show all metadata of VERSION, as JSON."""
    found = opened.find(version)
    echo_json(found.shown() | {"aliases": opened.state().of(found.number)}, indent=2)


@registry.command()
@in_registry
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def history(opened: "Registry", *, as_json: bool) -> None:
    """Show each move of an alias, with time, author and reason. The newest is last."""
    from petmood.cli.registry_tables import history_text

    changes = opened.history()
    echo_json([one.shown() for one in changes], indent=2) if as_json else click.echo(history_text(changes))


@registry.command()
@click.argument("version")
@in_registry
@click.option("--output", "-o", "to", required=True, type=click.Path(path_type=Path), help="The bundle's folder.")
@click.option("--replace", is_flag=True, help="Replace another bundle that is there.")
@public_key_option
def pull(opened: "Registry", *, version: str, to: Path, replace: bool, public_key: Path | None) -> None:
    """Download VERSION's bundle into a folder, and verify it. Its signature, if any, is beside the folder."""
    found = opened.find(version)
    opened.pull(found, to, replace=replace, public_key=public_key)
    click.echo(f"{to} holds version {found.number} of {found.model}. Next: {shell_command('serve', to)}")


@registry.command()
@in_registry
@public_key_option
@click.pass_context
def verify(context: click.Context, opened: "Registry", *, public_key: Path | None) -> None:
    """Check each file of every version, the history and the aliases. The exit status is 1 on any issue."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="petmood-") as scratch:
        issues = opened.verify(Path(scratch), public_key=public_key)
    for issue in issues:
        click.echo(f"{issue.what}: {issue.message}")
    click.echo(f"versions: {len(opened.versions())}, issues: {len(issues)}")
    context.exit(1 if issues else 0)


for verb in (promote, rollback, lineage):
    registry.add_command(verb)

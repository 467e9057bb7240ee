"""Commands for what visitors said of predictions: `petmood feedback list, export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.log import Age, on_log, since_us
from petmood.cli.output import echo_json
from petmood.cli.photos_option import kept_photos, photos_option

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["feedback"]


@click.group()
def feedback() -> None:
    """List and export what visitors said of predictions."""


@feedback.command(name="list")
@on_log
@click.option("--since", type=Age(), help="Feedback of the last 30m, 24h or 7d; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(engine: "Engine", *, since: float | None, as_json: bool) -> None:
    """List feedback, oldest first.

    A visitor is a hash of a random cookie. It says nothing about a person.
    """
    from datetime import UTC, datetime

    from petmood.core.names import printable
    from petmood.monitoring.feedback.store import read_feedback

    found = [
        {
            "time": datetime.fromtimestamp(one.feedback.time_us / 1e6, tz=UTC).isoformat(timespec="seconds"),
            "request_id": one.feedback.key.request_id,
            "position": one.feedback.key.position,
            "predicted": one.prediction.label,
            "right": not one.is_correction,
            "label": one.right_label,
            "note": one.feedback.note,
            "visitor": one.feedback.visitor,
            "bundle": one.prediction.bundle.name,
            "version": one.prediction.bundle.version,
        }
        for one in read_feedback(engine, since_us=since_us(since))
    ]
    if as_json:
        echo_json(found, indent=2)
        return
    for one in found:
        position = f" photo {one['position']}" if one["position"] else ""
        said = "right" if one["right"] else f"wrong, {one['label']}"
        note = f" ({printable(str(one['note']))})" if one["note"] else ""
        click.echo(f"{one['time']} {one['request_id']}{position}: {one['predicted'] or 'no label'}: {said}{note}")
    if not found:
        click.echo("There is no feedback yet.")


@feedback.command()
@on_log
@photos_option
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="A new folder for the photos."
)
@click.option("--since", type=Age(), help="Feedback of the last 30m, 24h or 7d; default: all.")
def export(engine: "Engine", *, photos: Path | None, output: Path, since: float | None) -> None:
    """Export kept photos with the labels of their visitors.

    A photo gets the label of most visitors; with a tie it is left out. `petmood data import csv` reads the
    folder's table, and finds near-duplicates.
    """
    from petmood.core.commands import shell_command
    from petmood.monitoring.feedback.export import TABLE_NAME, export_feedback

    found = export_feedback(engine, kept_photos(engine, photos), output, since_us=since_us(since))
    corrected = sum(photo.is_corrected for photo in found.photos)
    click.echo(f"{output}: {len(found.photos):,} photos, {corrected:,} with a corrected label")
    if left_out := found.left_out_text():
        click.echo(f"Left out: {left_out}.")
    if found.outvoted:
        click.echo(f"Visitors disagree on {found.outvoted:,} of them: these have the label of most visitors.")
    command = shell_command("data", "import", "csv", str(output / TABLE_NAME), "--output", "data/feedback")
    click.echo(f"Import them with: {command}")

"""Commands for what visitors said of predictions: `petmood feedback list, review, export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.log import Age, on_log, on_written_log, since_us
from petmood.cli.numbers import Integer
from petmood.cli.output import echo_json
from petmood.cli.photos_option import kept_photos, photos_option

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["feedback"]


@click.group()
def feedback() -> None:
    """List, review and export what people say of predictions."""


@feedback.command(name="list")
@on_log
@click.option("--since", type=Age(), help="Feedback of the last 30m, 24h or 7d; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(engine: "Engine", *, since: float | None, as_json: bool) -> None:
    """List feedback, oldest first.

    A visitor is a hash of a random cookie. It says nothing about a person.
    """
    from petmood.core.names import printable
    from petmood.monitoring.feedback.store import read_feedback
    from petmood.monitoring.prediction_log.rows import time_text

    found = [
        {
            "time": time_text(one.feedback.time_us),
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
@click.option(
    "--with", "dataset", type=click.Path(path_type=Path), help="Add the photos of this dataset, with their splits."
)
@click.option(
    "--label-studio",
    "tasks",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write tasks of Label Studio into this JSON file, and their labeling configuration beside it, as .xml.",
)
@click.option("--image-url", metavar="PREFIX", help="Stands before the photos' paths in tasks; default: local files.")
def export(
    engine: "Engine",
    *,
    photos: Path | None,
    output: Path,
    since: float | None,
    dataset: Path | None,
    tasks: Path | None,
    image_url: str | None,
) -> None:
    """Export kept photos with the labels of their visitors.

    A photo gets the label of most visitors; with a tie it is left out. `petmood data import csv` reads the
    folder's table, and finds near-duplicates.
    """
    from petmood.core.commands import shell_command
    from petmood.core.output_paths import resolve_file
    from petmood.monitoring.feedback.export import TABLE_NAME, LeftOut, export_feedback
    from petmood.monitoring.feedback.label_studio import LOCAL_FILES, config_file, write_label_studio

    for file in () if tasks is None else (tasks, config_file(tasks)):
        resolve_file(file)

    kept, added = kept_photos(engine, photos), None
    if dataset is None:
        found = export_feedback(engine, kept, output, since_us=since_us(since))
    else:
        from petmood.pipelines.feedback_dataset import export_with_dataset

        found, added = export_with_dataset(engine, kept, output, dataset, since_us=since_us(since))
    corrected = sum(photo.is_corrected for photo in found.photos)
    click.echo(f"{output}: {len(found.photos):,} photos, {corrected:,} with a corrected label")
    if left_out := found.left_out_text():
        click.echo(f"Left out: {left_out}.")
    if found.left_out.get(LeftOut.NO_PHOTO) and kept.elsewhere:
        click.echo(f"Folders that are not here were not searched: {', '.join(map(str, kept.elsewhere))}.", err=True)
    if found.outvoted:
        click.echo(f"Visitors disagree on {found.outvoted:,} of them: these have the label of most visitors.")
    if added is not None:
        click.echo(f"With {len(added.files):,} photos of {dataset}, which keep their splits.")
        for one in added.disagreements:
            click.echo(f"{dataset}/{one.path} is {one.label} there, and keeps it; feedback says {one.feedback_label}.")
    if tasks is not None:
        write_label_studio(found.photos, tasks, address=image_url or LOCAL_FILES)
        click.echo(f"Label Studio: {tasks}, and its labeling configuration {config_file(tasks)}")
    leaking = () if added is None else ("--drop-leaking",)
    command = shell_command(*("data", "import", "csv", str(output / TABLE_NAME), "--output", "data/feedback", *leaking))
    click.echo(f"Import them with: {command}")


@feedback.command()
@on_written_log
@photos_option
@click.option("--port", type=Integer(0, 65535), default=8020, show_default=True, help="0 is any free one.")
def review(engine: "Engine", *, photos: Path | None, port: int) -> None:
    """Label kept photos in a browser, on this machine alone.

    The least confident ones come first, and every fifth is drawn at random. Each label is saved at once.
    """
    from petmood.core.errors import ConfigError
    from petmood.core.extras import require
    from petmood.core.listening import bind, url_of

    uvicorn = require("uvicorn", extra="serve")
    from petmood.monitoring.feedback.review_app import create_review_app

    kept = kept_photos(engine, photos)
    if not kept.here:
        where = f"got no {' and no '.join(map(str, kept.elsewhere))}" if kept.elsewhere else "got none"
        raise ConfigError(
            f"Expected a folder of kept photos, {where}. A service keeps them with --keep-photos DAYS. Name a folder "
            "elsewhere with --photos."
        )
    listener = bind("127.0.0.1", port)
    click.echo(f"Review at {url_of('127.0.0.1', listener.getsockname()[1])}  (end with Ctrl-C)", err=True)
    uvicorn.Server(uvicorn.Config(create_review_app(engine, kept), log_config=None)).run(sockets=[listener])

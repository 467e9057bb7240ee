"""Commands for the prediction log of a service: `petmood log show, export, delete, prune`."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from petmood.cli.numbers import Integer, Number
from petmood.cli.output import echo_json
from petmood.cli.photos_option import delete_photos, photos_option
from petmood.core.errors import OutputLocked

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from petmood.monitoring.prediction_log.deletion import Deleted

__all__ = ["Age", "log", "log_option", "on_log", "on_written_log", "opened_log", "since_us"]

UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}


class Age(click.ParamType[float]):
    """A length of time such as 30m, 24h or 7d, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's signature
        """Return the seconds, or fail with what was expected."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]{1,6})([mhd])", str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"Expected a time such as 30m, 24h or 7d, got {value!r}.", param, ctx)
        return float(int(found[1]) * UNITS[found[2]])


def on_log(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option for the database to a command that reads a log, and pass it the engine of the log first."""
    return _on_log(command, writes=False)


def on_written_log(command: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a command that writes, too; it brings an older schema up to date."""
    return _on_log(command, writes=True)


def log_option(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option for the database, which a command gets as ``database``."""
    return click.option(
        "--log",
        "database",
        envvar="PETMOOD_PREDICTION_LOG",
        required=required,
        metavar="DATABASE",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME; default: $PETMOOD_PREDICTION_LOG.",
    )


@contextmanager
def opened_log(database: str, *, writes: bool = False) -> Iterator["Engine"]:
    """Yield the engine of an existing log; errors are those of ``open_log``."""
    from petmood.core.extras import require

    for module in ("sqlalchemy", "alembic"):
        require(module, extra="log")
    from petmood.monitoring.prediction_log.database import open_log

    engine = open_log(database, writes=writes)
    try:
        yield engine
    finally:
        engine.dispose()


def _on_log(command: Callable[..., None], *, writes: bool) -> Callable[..., None]:
    @log_option(required=True)
    @wraps(command)
    def opened(*, database: str, **given: object) -> None:
        with opened_log(database, writes=writes) as engine:
            command(engine, **given)

    return opened


def since_us(age_s: float | None) -> int | None:
    """Return the time of so many seconds ago, in microseconds since 1970."""
    return None if age_s is None else int((time.time() - age_s) * 1e6)


@click.group()
def log() -> None:
    """Read, export and clean the log of a service's predictions. It holds no address of a person."""


@log.command()
@on_log
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(engine: "Engine", *, as_json: bool) -> None:
    """List the bundles that made predictions.

    Each has the number of its rows, and the times of the first and the last.
    """
    from petmood.monitoring.prediction_log.reader import rows_by_bundle
    from petmood.monitoring.prediction_log.rows import time_text

    found = [
        {
            "bundle": one.bundle.name,
            "version": one.bundle.version,
            "sha256": one.bundle.sha256,
            "classes": list(one.bundle.classes),
            "rows": one.rows,
            "first": time_text(one.first_us),
            "last": time_text(one.last_us),
        }
        for one in rows_by_bundle(engine)
    ]
    if as_json:
        echo_json(found, indent=2)
        return
    for one in found:
        click.echo(f"{one['bundle']} {one['version']}: {one['rows']:,} predictions, {one['first']} to {one['last']}")
    if not found:
        click.echo("The log has no predictions yet.")


@log.command()
@on_log
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The Parquet file.")
@click.option("--last", type=Integer(1), help="The last predictions of this number; default: all.")
@click.option("--since", type=Age(), help="Those of the last 30m, 24h or 7d.")
def export(engine: "Engine", *, output: Path, last: int | None, since: float | None) -> None:
    """Write predictions into a Parquet file.

    The newest come first. An existing file is replaced.
    """
    from petmood.monitoring.prediction_log.reader import export_parquet

    rows = export_parquet(engine, output, last=last, since_us=since_us(since))
    click.echo(f"{output}: {rows:,} predictions")


with_spool = click.option(
    "--spool",
    envvar="PETMOOD_PREDICTION_LOG_SPOOL",
    type=click.Path(path_type=Path, file_okay=False),
    help="The service's folder for rows while the database is away; default: $PETMOOD_PREDICTION_LOG_SPOOL.",
)


@log.command()
@click.argument("request_ids", metavar="REQUEST_ID...", nargs=-1, required=True)
@on_written_log
@with_spool
@photos_option
def delete(engine: "Engine", *, request_ids: tuple[str, ...], spool: Path | None, photos: Path | None) -> None:
    """Delete all that is kept of requests, by their ids.

    These are predictions, feedback and photos. Rows in the spool of an ended service are written into the log first, so
    that they are deleted, too.
    """
    from petmood.monitoring.prediction_log.deletion import delete_requests
    from petmood.monitoring.prediction_log.spool import spool_folder
    from petmood.monitoring.prediction_log.store import LogStore

    folder = spool_folder(engine.url, spool)
    found = delete_requests(LogStore(engine), request_ids, spool=folder)
    more = delete_photos(engine, photos, lambda kept: kept.delete_requests(request_ids))
    _report(found, folder, more=more)


@log.command()
@on_written_log
@with_spool
@photos_option
@click.option(
    "--days", required=True, type=Number(0, 36_500, min_open=True), help="Age from which predictions are deleted."
)
def prune(engine: "Engine", *, days: float, spool: Path | None, photos: Path | None) -> None:
    """Delete predictions older than some days.

    Their feedback is deleted as well, and photos of that age. A service does so by itself: PETMOOD_PREDICTION_LOG_DAYS.
    """
    from petmood.monitoring.prediction_log.deletion import delete_before
    from petmood.monitoring.prediction_log.spool import spool_folder
    from petmood.monitoring.prediction_log.store import LogStore, cut_us

    folder, before_us = spool_folder(engine.url, spool), cut_us(days, now_s=time.time())
    found = delete_before(LogStore(engine), before_us, spool=folder)
    more = delete_photos(engine, photos, lambda kept: kept.delete_older(days), everywhere=False)
    _report(found, folder, more=more)


def _report(found: "Deleted", folder: Path, *, more: str) -> None:
    """Print the number of deleted rows, and what else was deleted.

    Raises:
        OutputLocked: some are left.
    """
    click.echo(f"{found.rows:,} predictions deleted{more}")
    if found.left:
        raise OutputLocked(
            f"{found.left:,} of these predictions are left in the spool {folder}, in files that a running service is "
            "writing. It writes them into the log when the database is back. Repeat the command in a minute."
        )

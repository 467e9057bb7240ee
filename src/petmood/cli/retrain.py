"""Command that makes the next model from a data version: `petmood retrain`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from petmood.cli.log import log_option, opened_log
from petmood.cli.numbers import Integer
from petmood.cli.photos_option import kept_photos, photos_option
from petmood.cli.progress import progress_bar
from petmood.cli.recommended import done_text, with_recommended
from petmood.cli.registry_options import current_author, in_new_registry, registry_command
from petmood.core.output_paths import refuse_unwritable
from petmood.core.world import refuse_several_processes

if TYPE_CHECKING:
    from typing import Unpack

    from petmood.pipelines.retrain import RetrainResult
    from petmood.registry.registry import Registry

__all__ = ["retrain"]

ANSWER_S = 30.0


class FurtherOptions(TypedDict):
    """The options that say when to retrain, who decides, and why."""

    drift_api: str | None
    min_corrections: int | None
    database: str | None
    photos: Path | None
    author: str | None
    reason: str


@click.command()
@click.argument("overrides", nargs=-1)
@in_new_registry
@click.option("--promote", "to_champion", is_flag=True, help="Move champion, not challenger, to a version that passes.")
@click.option("--when-drift", "drift_api", metavar="URL", help="Only if this drift API has an active alert.")
@click.option("--min-corrections", type=Integer(1), metavar="N", help="Only if the log has N new corrections.")
@log_option(required=False)
@photos_option
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="As in `petmood registry promote`.")
@click.option("--report", "report_folder", type=click.Path(path_type=Path), help="Write the checks' report here.")
@click.option("--bundles", default="bundles", show_default=True, type=click.Path(path_type=Path), help="Their folder.")
@click.option("--author", help="Who decides; default: the current user.")
@click.option("--reason", default="", help="Reason; it is kept in the history.")
def retrain(
    opened: "Registry",
    *,
    overrides: tuple[str, ...],
    to_champion: bool,
    limits: tuple[str, ...],
    report_folder: Path | None,
    bundles: Path,
    **further: "Unpack[FurtherOptions]",
) -> None:
    """Train on data=FOLDER, register the bundle, and make it challenger if it passes the promotion checks.

    Steps that are up to date are skipped. The recipe is chosen as by `petmood run`; model.weights=FILE starts from the
    weights of a run. The checks are never skipped: if one fails, the version stays registered, the reasons are printed
    and the exit status is 3. With --when-drift and --min-corrections, either condition suffices.
    """
    refuse_several_processes(os.environ, "retrain")
    if report_folder is not None:
        refuse_unwritable(report_folder)
    if not _is_due(opened, further):
        return
    from petmood.configs.load import compose, with_demo
    from petmood.pipelines.promote import read_limits
    from petmood.registry.base import CHALLENGER, CHAMPION, Author

    overrides = with_recommended(overrides)
    settings, checked = compose(with_demo(overrides)), read_limits(limits)
    from petmood.pipelines.retrain import retrain as retrain_model

    alias = CHAMPION if to_champion else CHALLENGER
    found = retrain_model(
        settings,
        opened,
        alias=alias,
        by=Author(current_author(further["author"]), further["reason"]),
        bundles=bundles,
        limits=checked,
        report_folder=report_folder,
        progress=progress_bar,
    )
    _report(found, alias=alias)


def _report(found: "RetrainResult", *, alias: str) -> None:
    """Print what was done, and the candidate's metrics and version.

    Raises:
        PromotionRejected: the checks rejected the candidate.
    """
    from petmood.cli.tables import headline_text
    from petmood.registry.base import CHAMPION

    click.echo(done_text(found.pipeline.done))
    click.echo(headline_text(found.pipeline.run.evaluation.read_text("utf-8")))
    click.echo(f"\nVersion {found.version.number} of {found.version.model}: {found.pipeline.bundle}")
    if found.rejected is not None:
        raise found.rejected
    if found.promotion is None:
        click.echo(f"It is {alias} already.")
        return
    click.echo(f"It is {alias} now.")
    if alias != CHAMPION:
        click.echo(f"Next: {registry_command('promote', found.version.number, '--to', CHAMPION)}")


def _is_due(registry: "Registry", options: FurtherOptions) -> bool:
    """Return whether a condition holds, or none is given; print the one that holds, or that none does.

    Raises:
        ConfigError: the drift API or the log can't be used.
    """
    unmet = []
    if (needed := options["min_corrections"]) is not None:
        count, since = _count_corrections(registry, options)
        text = f"{count:,} new {'correction' if count == 1 else 'corrections'}{since}"
        if count >= needed:
            click.echo(f"{text}, at least {needed:,}.")
            return True
        unmet.append(f"{text}, fewer than {needed:,}")
    if (address := options["drift_api"]) is not None:
        if _has_alert(address):
            click.echo(f"{address} has an active alert.")
            return True
        unmet.append(f"{address} has no active alert")
    if unmet:
        click.echo(f"{', and '.join(unmet)}: nothing was trained.")
    return not unmet


def _count_corrections(registry: "Registry", options: FurtherOptions) -> tuple[int, str]:
    """Return the number of new corrections, and since which version, as a phrase."""
    if options["database"] is None:
        raise click.UsageError("--min-corrections counts the corrections of a prediction log: name it with --log.")
    from petmood.pipelines.new_corrections import find_new_corrections

    with opened_log(options["database"]) as engine:
        found = find_new_corrections(engine, kept_photos(engine, options["photos"]), registry)
    return len(found.photos), "" if found.since is None else f" since version {found.since.number}"


def _has_alert(address: str) -> bool:
    """Return whether any bundle of a drift API has an active alert.

    Raises:
        ConfigError: the address gives no such answer.
    """
    from petmood.core.errors import ConfigError
    from petmood.core.extras import require

    httpx = require("httpx", extra="client")
    try:
        answer = httpx.get(f"{address.rstrip('/')}/drift", timeout=ANSWER_S).raise_for_status()
        return any(one["alert"] for one in answer.json()["bundles"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"Expected a drift API (`petmood monitor serve`) at {address}, got: {reason}") from error

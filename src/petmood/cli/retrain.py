"""Command that makes the next model from a data version: `petmood retrain`."""

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from petmood.cli.progress import progress_bar
from petmood.cli.recommended import done_text, with_recommended
from petmood.cli.registry_options import current_author, in_new_registry, registry_command
from petmood.core.output_paths import refuse_unwritable

if TYPE_CHECKING:
    from typing import Unpack

    from petmood.pipelines.retrain import RetrainResult
    from petmood.registry.registry import Registry

__all__ = ["retrain"]

ANSWER_S = 30.0


class DecisionOptions(TypedDict):
    """The options that say who decides, and why."""

    author: str | None
    reason: str


@click.command()
@click.argument("overrides", nargs=-1)
@in_new_registry
@click.option("--promote", "to_champion", is_flag=True, help="Move champion, not challenger, to a version that passes.")
@click.option("--when-drift", "drift_api", metavar="URL", help="Only if this drift API has an active alert.")
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
    drift_api: str | None,
    limits: tuple[str, ...],
    report_folder: Path | None,
    bundles: Path,
    **decision: "Unpack[DecisionOptions]",
) -> None:
    """Train on data=FOLDER, register the bundle, and make it challenger if it passes the promotion checks.

    Steps that are up to date are skipped. The recipe is chosen as by `petmood run`; model.weights=FILE starts from the
    weights of a run. The checks are never skipped: if one fails, the version stays registered, the reasons are printed
    and the exit status is 3.
    """
    if report_folder is not None:
        refuse_unwritable(report_folder)
    if drift_api is not None and not _has_alert(drift_api):
        click.echo(f"{drift_api} has no active alert: nothing was trained.")
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
        by=Author(current_author(decision["author"]), decision["reason"]),
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
    click.echo(headline_text(found.pipeline.run.evaluation.read_text()))
    click.echo(f"\nVersion {found.version.number} of {found.version.model}: {found.pipeline.bundle}")
    if found.rejected is not None:
        raise found.rejected
    if found.promotion is None:
        click.echo(f"It is {alias} already.")
        return
    click.echo(f"It is {alias} now.")
    if alias != CHAMPION:
        click.echo(f"Next: {registry_command('promote', found.version.number, '--to', CHAMPION)}")


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

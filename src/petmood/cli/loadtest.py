"""Command that load-tests a service: `petmood loadtest`; it needs only the extra 'loadtest'."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.numbers import Integer, Number
from petmood.core.environment import TOKEN_VARIABLE
from petmood.core.output_paths import refuse_unwritable

if TYPE_CHECKING:
    from petmood.serving.loadtest.report import Report
    from petmood.serving.loadtest.steps import Step

__all__ = ["loadtest"]

USERS, MOST_USERS = 32, 256


@click.command()
@click.argument("url")
@click.option(
    "--users",
    type=Integer(1, 5000),
    help=f"Concurrent users without pauses; the maximum with --ramp. [default: {USERS}, {MOST_USERS} until saturation]",
)
@click.option(
    "--duration",
    default=10.0,
    show_default=True,
    type=Number(1, 3600),
    help="Seconds for each number of users.",
)
@click.option("--ramp", is_flag=True, help="Double the users from 1 up to --users.")
@click.option("--until-saturation", is_flag=True, help="Double the users until throughput saturates or errors appear.")
@click.option("--photos", type=click.Path(path_type=Path), help="Folder of photos to send; default: drawn photos.")
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(path_type=Path),
    default=Path("profiles/loadtest"),
    show_default=True,
    help="Folder for the results.",
)
@click.option("--p95-ms", type=Number(0, 1e9), help="Exit with 1 if p95 is above this.")
@click.option("--min-rps", type=Number(0, 1e9), help="Exit with 1 if throughput is below this.")
@click.option("--max-errors", type=Number(0, 1), help="Exit with 1 if the error rate is above this (0 to 1).")
@click.option("--token", envvar=TOKEN_VARIABLE, help="Bearer token of the service. [env: PETMOOD_TOKEN]")
@click.option("--allow-remote", is_flag=True, help="Allow a load test of another machine.")
@click.pass_context
def loadtest(  # noqa: PLR0913 - one per option
    context: click.Context,
    *,
    url: str,
    users: int | None,
    duration: float,
    ramp: bool,
    until_saturation: bool,
    photos: Path | None,
    to: Path,
    p95_ms: float | None,
    min_rps: float | None,
    max_errors: float | None,
    token: str | None,
    allow_remote: bool,
) -> None:
    """Load-test the service at URL; exits with status 1 if a limit is violated at the last step, or at saturation."""
    from petmood.core.extras import require
    from petmood.serving.loadtest.config import LoadTestConfig
    from petmood.serving.loadtest.limits import Limits
    from petmood.serving.loadtest.report import report_of
    from petmood.serving.loadtest.run import load_service, preflight, require_locust, write_report
    from petmood.serving.loadtest.stages import doubling
    from petmood.serving.loadtest.target import target_of

    require_locust()
    refuse_unwritable(to)
    most = users or (MOST_USERS if until_saturation else USERS)
    rising = ramp or until_saturation
    if rising:
        require("matplotlib", extra="loadtest")
    job = LoadTestConfig(
        target=target_of(url, allow_remote=allow_remote),
        counts=doubling(most) if rising else (most,),
        duration_s=duration,
        csv="locust",
        until_saturation=until_saturation,
        photos=None if photos is None else str(photos),
        token=token,
    )
    preflight(job)
    click.echo(f"Loading {job.target.url}, {duration:g} s for each number of users.", err=True)
    click.echo(f"{'users':>6}{'answered/s':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}  errors")
    steps = load_service(job, to=to, on_step=_show)
    limits = Limits(p95_ms=p95_ms, min_rps=min_rps, max_errors=max_errors)
    report = report_of(steps, url=job.target.url, limits=limits, until_saturation=until_saturation)
    write_report(report, to=to)
    _conclude(report, to, looked_for_the_knee=rising)
    context.exit(1 if report.violations else 0)


def _show(step: "Step") -> None:
    times = "".join(f"{'-' if ms is None else format(ms, '.0f'):>9}" for ms in (step.p50_ms, step.p95_ms, step.p99_ms))
    errors = ", ".join(f"{count} x {status}" for status, count in step.errors.items()) or "none"
    click.echo(f"{step.users:>6}{step.answered_per_s:>12.1f}{times}  {errors}")


def _conclude(report: "Report", to: Path, *, looked_for_the_knee: bool) -> None:
    if report.saturation is not None:
        click.echo(f"Saturation at {report.saturation.step.users} users: {report.saturation.reason}.")
    elif looked_for_the_knee:
        click.echo(f"No saturation up to {report.steps[-1].users} users.")
    click.echo(f"Results, Locust's CSV files and plots: {to}")
    for line in report.violations:
        click.echo(f"petmood: {line}", err=True)

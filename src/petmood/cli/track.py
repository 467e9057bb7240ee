"""Commands for experiment tracking: `petmood track ui` and `petmood track sync`."""

from collections.abc import Iterator
from pathlib import Path

import click

from petmood.cli.numbers import Integer

__all__ = ["track"]


@click.group()
def track() -> None:
    """Show MLflow's page, and send runs what their tracker lacks."""


@track.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option("--port", default=5000, show_default=True, type=Integer(1, 65535), help="Port to listen on.")
@click.option("--uri", help="The store to show; mlflow.db of this folder where none is given.")
def ui(*, host: str, port: int, uri: str | None) -> None:
    """Show MLflow's own page until Ctrl-C."""
    import os
    import sys

    from petmood.core.errors import TrackingError
    from petmood.core.listening import check_port
    from petmood.core.mlflow_env import LOCAL_URI
    from petmood.training.tracking.base import refuse_credentials, refuse_missing

    refuse_missing("mlflow")
    refuse_credentials(uri)
    store = Path(LOCAL_URI.removeprefix("sqlite:///"))
    if uri is None and not store.is_file():
        raise TrackingError(f"No {store} in {Path.cwd()}. Train here first with tracker=mlflow, or give --uri.")
    shown = uri or f"sqlite:///{store.absolute()}"
    check_port(host, port)
    click.echo(f"MLflow shows {shown} at http://{host}:{port}", err=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", shown, "--no-serve-artifacts"]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, command, {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})  # noqa: S606 - our own command


@track.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--uri", help="Another MLflow than the runs were tracked with.")
@click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are."
)
def sync(*, runs: tuple[Path, ...], uri: str | None, runs_dir: Path) -> None:
    """Send what the tracker lacks of RUNS. Nothing is stored twice.

    Without RUNS, every run in the folder of runs is sent.
    """
    from petmood.core.errors import TrackingError
    from petmood.pipelines.mirror_process import mirror_now
    from petmood.training.tracking.base import refuse_credentials

    refuse_credentials(uri)
    chosen = runs or tuple(_tracked(runs_dir))
    if not chosen:
        raise TrackingError(f"No tracked run in {runs_dir}. Train one with tracker=mlflow, or name its folder.")
    problems = []
    for folder in chosen:
        done = mirror_now(folder, uri=uri)
        if done.problem:
            problems.append(f"{folder}: {done.problem}")
        else:
            click.echo(f"{folder}: {done.sent} sent{f'. {done.note}' if done.note else ''}")
    if problems:
        raise TrackingError(
            problems[0] if len(problems) == 1 else f"{problems[0]} ({len(problems)} runs could not be sent.)"
        )


def _tracked(runs_dir: Path) -> Iterator[Path]:
    from petmood.training.tracking.state import STATE_NAME

    return (path.parent for path in sorted(runs_dir.rglob(STATE_NAME)))

"""Command that searches hyperparameters: `petmood sweep`."""

import os
from typing import TYPE_CHECKING, Final

import click

from petmood.cli.progress import progress_bar
from petmood.core.commands import shell_command
from petmood.core.world import refuse_several_processes

if TYPE_CHECKING:
    from petmood.tuning.report import SearchReport

__all__ = ["sweep", "sweep_text"]

SHOWN: Final = 8


@click.command()
@click.argument("overrides", nargs=-1)
@click.option("--wandb", "as_file", is_flag=True, help="Print the search space as W&B's sweep.yaml, without searching.")
@click.option("--worker", is_flag=True, hidden=True)
def sweep(*, overrides: tuple[str, ...], as_file: bool, worker: bool) -> None:
    """Search for better settings by validation photos, or resume a search that was stopped.

    OVERRIDES are settings as for train, with search=first n_trials=20. A setting that is given is fixed, not searched.
    The same command again resumes until there are n_trials in all. Without data=... the demo is used.
    """
    import json
    import sys

    from petmood.configs.load import compose, with_demo
    from petmood.core.extras import require

    refuse_several_processes(os.environ, "sweep")
    require("optuna", extra="sweep")
    wanted = with_demo(overrides)
    if not worker:
        compose(wanted)  # a typo is reported before torch is loaded
    from petmood.tuning.sweep import join_sweep
    from petmood.tuning.sweep import sweep as search
    from petmood.tuning.wandb_sweep import sweep_file

    if worker:
        join_sweep(json.loads(sys.stdin.readline()))
        return
    if as_file:
        click.echo(sweep_file(wanted), nl=False)
    else:
        click.echo(sweep_text(search(wanted, progress=progress_bar)))


def sweep_text(report: "SearchReport") -> str:
    """Return the best trials as a table, what the choice is worth, where all lies, and what to do next."""
    counts = ", ".join(f"{report.count(state)} {state}" for state in ("finished", "pruned", "failed"))
    names = list(report.best.settings)
    table = [["trial", report.metric.replace("_", " "), "epochs", "seconds", *names]]
    table.extend(
        [str(row.number), _short(row.value), str(row.epochs or ""), _short(row.seconds)]
        + [_short(row.settings.get(name)) for name in names]
        for row in report.rows[:SHOWN]
        if row.state == "finished"
    )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join(
        [
            *lines,
            f"\n{len(report.rows)} trials: {counts}. The best by {report.metric} is trial {report.best.number}.",
            report.caveat,
            f"\nSettings  {report.folder / 'best.yaml'}",
            f"Trials    {report.folder / 'trials.csv'}",
            f"Plots     {report.folder / 'sweep.html'}",
            *_next_steps(report),
            f"Again: {shell_command(*report.command[1:])}",
        ]
    )


def _next_steps(report: "SearchReport") -> list[str]:
    if report.best_run is None:
        return [
            f"\nThe best run was trained elsewhere, at {report.best.run}. Evaluate it there, or train it again here."
        ]
    export = shell_command("export", report.best_run, "--output", f"bundles/{report.name}")
    return [f"\nNext: {shell_command('evaluate', report.best_run)}", f"      {export}"]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

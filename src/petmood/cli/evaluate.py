"""Command that evaluates a run: `petmood evaluate`."""

from pathlib import Path

import click

from petmood.cli.output import echo_json
from petmood.cli.progress import progress_bar
from petmood.core.commands import shell_command

__all__ = ["evaluate"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Evaluate on another dataset.")
@click.option("--baseline", type=click.Path(path_type=Path), help="A second run, for a paired test of the two.")
@click.option("--json", "as_json", is_flag=True, help="Print all metrics as JSON.")
def evaluate(*, run: Path, data: Path | None, baseline: Path | None, as_json: bool) -> None:
    """Evaluate RUN with intervals and baselines; writes evaluation.json and report.html into its folder."""
    from petmood.cli.tables import paired_text
    from petmood.evaluation.evaluate import Evaluation
    from petmood.evaluation.summary import summary_text
    from petmood.pipelines.evaluate import compare_runs, evaluate_run
    from petmood.pipelines.run_folder import open_run

    opened = open_run(run)
    paired = compare_runs(opened, open_run(baseline)) if baseline is not None else None

    def show(found: Evaluation) -> None:
        if as_json:
            echo_json({**found.to_json(), **({"paired": paired.to_json()} if paired else {})}, indent=2)
            return
        click.echo(summary_text(found))
        if paired is not None:
            click.echo(f"\nAgainst {baseline}: {paired_text(paired)}")

    evaluate_run(opened, data=data, paired=paired, on_result=show, progress=progress_bar)
    if as_json:
        return
    click.echo(f"Report: {opened.report if data is None else opened.path / f'report-{data.name}.html'}")
    click.echo(f"Next: {shell_command('export', run, '--output', 'bundles/first')}")

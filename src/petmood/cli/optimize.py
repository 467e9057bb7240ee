"""Command that makes a run's network smaller and faster: `petmood optimize`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.numbers import Integer
from petmood.cli.output import echo_json
from petmood.cli.progress import progress_bar
from petmood.core.commands import shell_command

if TYPE_CHECKING:
    from petmood.pipelines.optimize import Optimized

__all__ = ["optimize"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    type=Integer(1, 100_000),
    default=200,
    show_default=True,
    help="Training photos that the 8-bit ranges are taken from.",
)
@click.option(
    "--rounds", type=Integer(2, 100_000), default=100, show_default=True, help="How often the time is measured."
)
@click.option(
    "--distill", metavar="BACKBONE", help="Train a smaller network with RUN as its teacher, and measure it too."
)
@click.option(
    "--student",
    "students",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another run on the same data to measure too. May be repeated.",
)
@click.option("--compile", "with_compiled", is_flag=True, help="Measure the torch network after torch.compile too.")
@click.option("--json", "as_json", is_flag=True, help="Print all measurements as JSON.")
def optimize(
    *,
    run: Path,
    calibration: int,
    rounds: int,
    distill: str | None,
    students: tuple[Path, ...],
    with_compiled: bool,
    as_json: bool,
) -> None:
    """Quantize the network of RUN to INT8 and measure it beside the network itself, on held-out photos.

    Writes optimized/optimize.json and optimize.html into the run's folder.
    """
    from petmood.pipelines.optimize import optimize_run
    from petmood.pipelines.run_folder import open_run

    opened, others = open_run(run), [open_run(student) for student in students]
    if distill is not None:
        from petmood.pipelines.distill import distill as train_student

        others.append(train_student(opened, distill, progress=progress_bar))
    found = optimize_run(
        opened,
        calibration_photos=calibration,
        rounds=rounds,
        students=others,
        with_compiled=with_compiled,
        progress=progress_bar,
    )
    if as_json:
        echo_json(dict(found.values), indent=2)
        return
    click.echo(optimize_text(found))
    click.echo(f"Report: {opened.optimized / 'optimize.html'}")
    if not found.refused("int8"):
        click.echo(f"Next: {shell_command('export', run, '--variant', 'int8', '--output', 'bundles/small')}")


def optimize_text(found: "Optimized") -> str:
    """Return the table of variants, and a sentence for each."""
    from petmood.presentation.display_names import percent_text
    from petmood.reports.optimize import points_text, verdict_sentence

    values, width = found.values, max(len(row.name) for row in found.rows) + 2
    lines = [f"{'':<{width}}{'accuracy':<26}{'difference in points':<24}{'p50':>9}{'p95':>10}{'size':>10}"]
    for row in found.rows:
        apart = points_text(row.paired.difference) if row.paired else ""
        times = f"{row.speed.p50_ms:>6.1f} ms{row.speed.p95_ms:>7.1f} ms"
        accuracy = percent_text(row.accuracy)
        lines.append(f"{row.name:<{width}}{accuracy:<26}{apart:<24}{times}{row.size_bytes / 1e6:>7.1f} MB")
    lines += ["", f"Accuracy on {values['photos_note']}"]
    lines.append(f"Time of one photo, network alone on one thread of {values['processor']}, measured in turns.")
    lines += [
        f"{row.name}: {verdict_sentence(row)}" + (f" {row.note[0].upper()}{row.note[1:]}." if row.note else "")
        for row in found.rows
        if row.paired
    ]
    return "\n".join([*lines, *([values["left_out"]] if values["left_out"] else [])])

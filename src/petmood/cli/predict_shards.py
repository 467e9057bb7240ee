"""`petmood predict --output FOLDER`: many photos in shards, by processes, a Ray cluster or the tasks of a job."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import click
from click.core import ParameterSource

from petmood.cli.numbers import Integer
from petmood.cli.progress import progress_bar
from petmood.core.errors import ConfigError, DataError, OutputError
from petmood.core.names import printable

if TYPE_CHECKING:
    from petmood.cloud.job_tasks import JobTask
    from petmood.core.bundle import Bundle
    from petmood.core.photo_source import FoundPhoto
    from petmood.inference.shard_plan import ShardPlan

__all__ = ["ShardOptions", "check_options", "listed_photos", "predict_in_shards", "shard_options"]

PLAN_WAIT_S: Final = 600.0
"""How long the tasks of a job wait for the list of photos, which the first of them makes."""
PLAN_POLL_S: Final = 0.5
SHARDED: Final = ("shard_size", "processes", "ray", "shard_range", "table")
"""Options that need --output."""
PRINTED: Final = ("as_json", "as_csv", "only", "html", "explain")
"""Options that --output excludes."""


class ShardRange(click.ParamType[slice]):
    """Numbers of shards as START:STOP, without STOP; either may be left out."""

    name = "start:stop"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> slice:  # noqa: ANN401 - click's signature
        """Return the slice, or fail with what was expected."""
        if isinstance(value, slice):
            return value
        start, colon, stop = str(value).partition(":")
        if not colon or not all(not one or (one.isascii() and one.isdecimal()) for one in (start, stop)):
            self.fail(f"Expected START:STOP, such as 0:10 or 10:, got {value!r}.", param, ctx)
        return slice(int(start or 0), int(stop) if stop else None)


class ShardOptions(TypedDict):
    """The options of a prediction in shards; without ``output`` there is none."""

    output: Path | None
    shard_size: int
    processes: int | None
    ray: str | None
    shard_range: slice | None
    table: Path | None


_OPTIONS: Final = (
    click.option(
        "--output",
        "-o",
        type=click.Path(path_type=Path, file_okay=False),
        help="Predict many photos in shards: write a file of JSON lines for each to this folder. Shards that are there "
        "are not predicted again.",
    ),
    click.option(
        "--shard-size",
        default=1000,
        show_default=True,
        type=Integer(1, 1_000_000),
        help="Photos of a shard. With --output.",
    ),
    click.option(
        "--processes",
        type=Integer(1, 1024),
        help="Processes on this machine. Default: its processors, divided by --threads. With --output.",
    ),
    click.option("--ray", metavar="ADDRESS", help="Predict on this Ray cluster, such as auto. With --output."),
    click.option(
        "--shard-range",
        type=ShardRange(),
        help="Predict these shards alone, such as 0:10. Default: all, or those of this task of a Cloud Run, Batch or "
        "Vertex AI job. 0:0 makes the list of photos alone. With --output.",
    ),
    click.option(
        "--table",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write all results into this .csv or .parquet file when all shards are there. With --output.",
    ),
)


def shard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a prediction in shards to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_options(context: click.Context, options: ShardOptions) -> None:
    """Refuse options that need ``--output`` without it, and those that print with it.

    Raises:
        ConfigError: an option is of no use.
    """
    refused, reason = (PRINTED, "is not allowed with") if options["output"] else (SHARDED, "needs")
    for option in context.command.params:
        if option.name in refused and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"{option.opts[0]} {reason} --output FOLDER. Leave it out, or see --help.")
    if options["ray"] and options["processes"]:
        raise ConfigError("Expected --ray or --processes, got both. A cluster has processes of its own.")


def listed_photos(file: Path | None) -> list[Path]:
    """Return the paths in a file, one per line; those of no file are none.

    Raises:
        DataError: the file can't be read, or lists no path.
    """
    if file is None:
        return []
    try:
        lines = os.fsdecode(file.read_bytes()).split("\n")
    except OSError as error:
        raise DataError(f"{printable(str(file))} can't be read ({error.strerror}). Check the path.") from error
    if paths := [Path(line) for line in (line.removesuffix("\r") for line in lines) if line]:
        return paths
    raise DataError(f"Expected the path of a photo per line in {printable(str(file))}, got none.")


def predict_in_shards(
    address: str,
    photos: Sequence[Path],
    *,
    files_from: Path | None,
    find: "Callable[[], list[FoundPhoto]]",
    threads: int,
    options: ShardOptions,
) -> None:
    """Predict what is missing of the shards; ``find`` lists the photos, if there is no list of them yet.

    Raises:
        ConfigError: there are no such shards.
        OutputError: the folder is of other photos or another bundle.
        PetmoodError, OSError: as the steps that it consists of.
    """
    from petmood.cli.shard_outputs import check_table
    from petmood.cloud.job_tasks import read_job_task

    check_table(options["table"])
    task = None if options["shard_range"] else read_job_task(os.environ)
    plan = _plan(_bundle(address), _source(photos, files_from), find=find, task=task, options=options)
    numbers = _numbers(plan, task=task, given=options["shard_range"])
    missing = plan.missing(numbers)
    if len(missing) < len(numbers):
        click.echo(
            f"{plan.folder}: {len(numbers) - len(missing)} of {len(numbers)} shards are there. Photos that came after "
            "its list was made are not in it.",
            err=True,
        )
    for _ in progress_bar(_done(plan, missing, threads=threads, options=options), total=len(missing), what="shards"):
        pass
    _finish(plan, options["table"])


def _bundle(address: str) -> "Bundle":
    from petmood.core.bundle import verify

    if address.startswith(("http://", "https://")):
        raise ConfigError("Expected a bundle's folder or registry://MODEL@VERSION with --output, got a service.")
    if "://" not in address:
        return verify(Path(address))
    from petmood.registry.cache import cached
    from petmood.registry.uri import find_version, parse_reference

    return cached(*find_version(parse_reference(address)))


def _source(photos: Sequence[Path], files_from: Path | None) -> dict[str, str | list[str]]:
    """Return what the list of photos is made of."""
    from petmood.core.files import sha256_of

    paths = [os.path.abspath(path) for path in photos]  # noqa: PTH100 - links stay: they may be of a mounted disk
    shown = [ascii(path)[1:-1] for path in paths]
    return {"paths": [*shown], **({"files_from_sha256": sha256_of(files_from)} if files_from else {})}


def _plan(
    bundle: "Bundle",
    source: dict[str, str | list[str]],
    *,
    find: "Callable[[], list[FoundPhoto]]",
    task: "JobTask | None",
    options: ShardOptions,
) -> "ShardPlan":
    from petmood.inference.shard_plan import find_plan, make_plan

    folder, size, given = options["output"], options["shard_size"], options["shard_range"]
    assert folder is not None  # noqa: S101 - the command asks for shards only with it
    plan = find_plan(folder)
    if plan is None:
        is_first = task.index == 0 if task else given is None or given.start == 0
        if is_first:
            return make_plan(folder, bundle, find(), shard_size=size, source=source)
        plan = _awaited(folder)
    made = plan.manifest
    if made.bundle.sha256 != bundle.sha256:
        raise OutputError(
            f"{folder} has predictions of {made.bundle.name}, version {made.bundle.version}, got "
            f"{bundle.manifest.name}, version {bundle.manifest.version}. Choose another --output."
        )
    if made.source != source:
        raise OutputError(f"{folder} has predictions of other photos than those given. Choose another --output.")
    if made.shard_size != size:
        raise OutputError(f"{folder} has shards of {made.shard_size} photos, got {size}. Choose another --output.")
    return plan


def _awaited(folder: Path) -> "ShardPlan":
    """Return the plan that the process with the first shard makes."""
    from petmood.inference.shard_plan import find_plan

    click.echo(f"{folder}: waiting for the list of photos, which the process with shard 0 makes.", err=True)
    until = time.monotonic() + PLAN_WAIT_S
    while (plan := find_plan(folder)) is None:
        if time.monotonic() > until:
            raise OutputError(
                f"There is no list of photos in {folder} after {PLAN_WAIT_S:.0f} s. The process with shard 0 makes it: "
                "start that one, with the same folder."
            )
        time.sleep(PLAN_POLL_S)
    return plan


def _numbers(plan: "ShardPlan", *, task: "JobTask | None", given: slice | None) -> range:
    if task:
        return task.share_of(plan.count)
    numbers = range(plan.count)[given] if given else range(plan.count)
    if not numbers and given != slice(0, 0):
        raise ConfigError(f"Expected a --shard-range within 0:{plan.count}, got one without a shard.")
    return numbers


def _done(plan: "ShardPlan", missing: list[int], *, threads: int, options: ShardOptions) -> Iterator[int]:
    from petmood.core.processors import processor_count

    if not missing:
        return iter(())
    if options["ray"]:
        from petmood.inference.shard_ray import run_on_ray

        return run_on_ray(plan, missing, address=options["ray"], threads=threads)
    from petmood.inference.shard_processes import run_in_processes

    processes = options["processes"] or max(1, processor_count() // threads)
    return run_in_processes(plan, missing, processes=processes, threads=threads)


def _finish(plan: "ShardPlan", table: Path | None) -> None:
    """Write the summary and the table and print the counts, if all shards are there."""
    from petmood.cli.shard_outputs import write_summary, write_table

    left = len(plan.missing(range(plan.count)))
    if left:
        click.echo(f"{plan.folder}: {plan.count - left} of {plan.count} shards are there.", err=True)
        return
    tally = write_summary(plan)
    if table:
        write_table(plan, table)
    for line in (tally.summary(), *tally.notices, f"Predictions: {printable(str(plan.folder))}"):
        click.echo(line, err=True)

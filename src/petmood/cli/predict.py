"""Command that predicts photos: `petmood predict`; it needs the extra 'serve', or 'client' for a service."""

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from petmood.cli.numbers import Integer
from petmood.cli.photo_answers import KINDS, STDIN, PhotoAnswer, common_folder, open_photo
from petmood.cli.predict_outputs import Outputs
from petmood.cli.predict_shards import check_options, listed_photos, predict_in_shards, shard_options
from petmood.cli.progress import progress_bar
from petmood.core.environment import DEFAULT_API_URL, TOKEN_VARIABLE
from petmood.core.errors import ConfigError
from petmood.core.redact import without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Unpack

    from petmood import Client, Predictor
    from petmood.cli.predict_outputs import OutputOptions
    from petmood.cli.predict_shards import ShardOptions
    from petmood.core.photo_source import FoundPhoto

    class PredictOptions(OutputOptions, ShardOptions):
        """The options that say what is printed, and those of shards."""


__all__ = ["predict"]

RETRIES = 3


@click.command()
@click.argument("bundle")
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--files-from",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Predict the photos whose paths are in this file, one per line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table of comma-separated values.")
@click.option(
    "--only",
    type=click.Choice([*KINDS]),
    help="Print only these; all are predicted and counted.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    help="Write a page with a thumbnail and the answer of each photo; what --only leaves out isn't on it.",
)
@click.option(
    "--explain",
    type=click.Path(path_type=Path),
    help="Write a copy of each photo to this folder: orange where the photo raises the score of its class.",
)
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=Integer(1, 256),
    help="Threads of the network; not allowed with a service, which has its own.",
)
@shard_options
@click.pass_context
def predict(
    context: click.Context,
    *,
    bundle: str,
    photos: tuple[Path, ...],
    files_from: Path | None,
    threads: int,
    **options: "Unpack[PredictOptions]",
) -> None:
    """Predict PHOTOS (files, folders of them, or - for standard input) with BUNDLE.

    A path without a photo and a photo that is rejected don't stop the others; the exit status is 1 then.

    A photo without an animal, or unlike the photos that the model was trained on, is out of domain and gets no label.
    That is a result: the exit status is 0.

    BUNDLE is a folder, an address such as registry://petmood@champion, or that of a service, such as
    http://127.0.0.1:8000, which is sent $PETMOOD_TOKEN if that is set.

    With --output many photos are predicted in shards; a rejected photo is a line of its shard, and the exit status
    is 0. The same command starts again where it was ended.
    """
    check_options(context, options)
    _check_address(bundle, threads_given=context.get_parameter_source("threads") is ParameterSource.COMMANDLINE)
    _check_photos(photos, files_from, in_shards=options["output"] is not None)
    if options["output"]:
        find = partial(_find, photos, files_from)
        predict_in_shards(bundle, photos, files_from=files_from, find=find, threads=threads, options=options)
        return
    outputs = Outputs.of(options, photos)
    found = _find(photos, files_from)
    outputs.refuse_heat_maps_among(one.path for one in found)
    sources = [open_photo(one.path) for one in found if not one.problem]
    with _predictor(bundle, threads=threads) as predictor, outputs.opened(common_folder(found)):
        answers = progress_bar(outputs.answers(predictor, sources), total=len(sources), what="predicting photos")
        for one in found:
            outputs.add(one.path, PhotoAnswer(None, one.problem) if one.problem else next(answers))
    outputs.say_counts()
    context.exit(1 if outputs.failed else 0)


def _check_photos(photos: "Sequence[Path]", files_from: Path | None, *, in_shards: bool) -> None:
    piped = photos.count(STDIN)
    if not photos and files_from is None:
        raise ConfigError("Expected photos, folders of them or --files-from FILE, got none. See --help.")
    if piped and in_shards:
        raise ConfigError(f"'{STDIN}' (standard input) is not allowed with --output. Give the photos' paths.")
    if piped > 1:
        raise ConfigError(f"Expected '{STDIN}' (standard input) once, got it {piped} times. Give the photos' paths.")


def _find(photos: "Sequence[Path]", files_from: Path | None) -> "list[FoundPhoto]":
    """Return the photos of the arguments, and those of a list, which are not read before they are predicted."""
    from petmood.core.photo_source import FoundPhoto, find_each_photo

    listed = [FoundPhoto(path) for path in listed_photos(files_from)]
    return [*(find_each_photo([*photos], also=STDIN) if photos else ()), *listed]


def _is_service(bundle: str) -> bool:
    return bundle.startswith(("http://", "https://"))


def _check_address(bundle: str, *, threads_given: bool) -> None:
    shown = without_credentials(bundle)
    if _is_service(bundle):
        if threads_given:
            raise ConfigError(f"--threads is not allowed with a service ({shown}), which has its own. Leave it out.")
    elif "://" in bundle:
        from petmood.registry.uri import is_reference

        if not is_reference(bundle):
            raise ConfigError(
                "Expected a bundle's folder, registry://MODEL@VERSION, or a service such as "
                f"{DEFAULT_API_URL}, got {shown!r}."
            )


def _predictor(bundle: str, *, threads: int) -> "AbstractContextManager[Predictor | Client]":
    import petmood

    if _is_service(bundle):
        return petmood.Client(bundle, token=os.environ.get(TOKEN_VARIABLE) or None, retries=RETRIES)
    return nullcontext(petmood.load_bundle(bundle, threads=threads))

"""Command that predicts photos: `petmood predict`; it needs the extra 'serve', or 'client' for a service."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from petmood.cli.numbers import Integer
from petmood.cli.output import echo_json
from petmood.cli.progress import progress_bar
from petmood.core.environment import DEFAULT_API_URL, TOKEN_VARIABLE
from petmood.core.errors import ConfigError
from petmood.core.names import printable
from petmood.core.redact import without_credentials

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pydantic import BaseModel

    from petmood import Client, Predictor

__all__ = ["predict"]

RETRIES = 3
STDIN = Path("-")


@click.command()
@click.argument("bundle")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=Integer(1, 256),
    help="Threads of the network; not allowed with a service, which has its own.",
)
@click.pass_context
def predict(context: click.Context, *, bundle: str, photos: tuple[Path, ...], as_json: bool, threads: int) -> None:
    """Predict PHOTOS (files, folders of them, or - for standard input) with BUNDLE.

    A path without a photo and a photo that is rejected don't stop the others; the exit status is 1 then.

    BUNDLE is a folder, an address such as registry://petmood@champion, or that of a service, such as
    http://127.0.0.1:8000, which is sent $PETMOOD_TOKEN if that is set.
    """
    from petmood.cli.tables import model_notices, prediction_text
    from petmood.core.photo_source import find_each_photo
    from petmood.core.prediction import Prediction, prediction_response
    from petmood.core.schemas import error_response

    _check_address(bundle, threads_given=context.get_parameter_source("threads") is ParameterSource.COMMANDLINE)
    piped = photos.count(STDIN)
    if piped > 1:
        raise ConfigError(f"Expected '{STDIN}' (standard input) once, got it {piped} times. Give the photos' paths.")
    found = find_each_photo([*photos], also=STDIN)
    sources = [sys.stdin.buffer if one.path == STDIN else one.path for one in found if one.problem is None]
    rejected, notices = 0, dict[str, None]()
    with _predictor(bundle, threads=threads) as predictor:
        answers = progress_bar(predictor.predict_many(sources), total=len(sources), what="predicting photos")
        for one in found:
            name, answer = printable(str(one.path)), one.problem or next(answers)
            if isinstance(answer, Prediction):
                body: BaseModel = prediction_response(answer, photo=name)
            else:
                body, rejected = error_response(answer, photo=name), rejected + 1
            if as_json:
                echo_json(body.model_dump(mode="json", exclude_none=True))
            else:
                click.echo(prediction_text(name, answer), err=not isinstance(answer, Prediction))
                notices |= dict.fromkeys(model_notices([answer]))
    for notice in notices:
        click.echo(notice, err=True)
    context.exit(1 if rejected else 0)


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

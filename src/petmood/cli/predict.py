"""Command that predicts photos: `petmood predict`; it needs only the extra 'serve'."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.progress import progress_bar

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["predict"]


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--threads", default=1, show_default=True, help="Threads of the network.")
@click.pass_context
def predict(context: click.Context, *, bundle: Path, photos: tuple[Path, ...], as_json: bool, threads: int) -> None:
    """Answer PHOTOS (files, or folders of them) with BUNDLE; ends with 1 if any photo got no answer."""
    from petmood.cli.tables import answer_text
    from petmood.core.prediction import Prediction
    from petmood.core.schemas import error_response, prediction_response
    from petmood.inference.batch import find_photos, predict_stream
    from petmood.inference.load import load_bundle

    found = find_photos(photos)
    predictor = load_bundle(bundle, threads=threads)
    refused = 0
    for one in progress_bar(predict_stream(predictor, found), total=len(found), what="answering photos"):
        name, answer = str(one.photo), one.answer
        if isinstance(answer, Prediction):
            body: BaseModel = prediction_response(answer, model=predictor.model, photo=name)
        else:
            body, refused = error_response(answer, photo=name), refused + 1
        if as_json:
            click.echo(body.model_dump_json(exclude_none=True))
        else:
            click.echo(answer_text(name, answer), err=not isinstance(answer, Prediction))
    context.exit(1 if refused else 0)

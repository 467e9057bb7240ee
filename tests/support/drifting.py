"""Logged predictions of a bundle for tests of drift: photos like those of its reference, or darker ones."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, event

from petmood.core.bundle import Bundle
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.rows import LogRow, PhotoKey, log_row
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.images import faces, png

__all__ = ["dark", "forbid_writes", "log_photos", "logged_rows", "new_log"]

START_US = 1_790_000_000_000_000


def new_log(folder: Path) -> Engine:
    """Return the engine of an empty log in a folder."""
    engine = connect(database_url(f"sqlite:///{folder / 'log.db'}"))
    LogStore(engine).prepare()
    return engine


def forbid_writes(engine: Engine) -> None:
    """Let SQLite refuse writes of new connections, as those of a user who may only read."""
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))


def dark(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the photos at a quarter of their brightness."""
    return (pixels // 4).astype(np.uint8)


def logged_rows(predictor: BundlePredictor, pixels: NDArray[np.uint8], *, first: int = 0) -> list[LogRow]:
    """Return the rows of predictions for photos uint8 [N, S, S, 3], one a second; ``first`` numbers them."""
    found = predictor.predict_batch([png(photo) for photo in pixels])
    return [
        log_row(one, PhotoKey(f"request-{number}"), time_us=START_US + number * 1_000_000, latency_ms=5.0)  # type: ignore[arg-type] # all photos are valid
        for number, one in enumerate(found, start=first)
    ]


def log_photos(
    engine: Engine, bundle: Bundle, count: int, *, first: int = 0, darkened: bool = False, seed: int = 900
) -> None:
    """Predict photos with a bundle and log the predictions; ``first`` is the number of the first row."""
    pixels = faces(count, side_px=bundle.manifest.image.side_px, seed=seed + first)
    predictor = load_bundle(bundle.folder, measures=True)
    LogStore(engine).insert(logged_rows(predictor, dark(pixels) if darkened else pixels, first=first))

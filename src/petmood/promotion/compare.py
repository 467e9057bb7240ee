"""Predictions of bundles on clean and corrupted held-out photos, and their latency."""

import hashlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import BundleError, DataError, PhotoError
from petmood.core.image import OVERSAMPLING, ImageSpec, prepare
from petmood.core.photo import decode
from petmood.core.processors import processor_count
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import IndexRow
from petmood.evaluation.corruptions import CORRUPTIONS, MIDDLE_LEVEL, corrupt
from petmood.evaluation.predictions import Predictions, from_rows
from petmood.inference.load import BundlePredictor

__all__ = [
    "BundleInfo",
    "BundlePredictions",
    "Latency",
    "bundle_info",
    "images_to_time",
    "measure_latency",
    "predict_with_bundles",
    "prepared_photos",
]

TIMED_PHOTOS: Final = 8
ROUNDS: Final = 60
MIN_ROUNDS: Final = 12
BUDGET_S: Final = 20.0
WARM_UP: Final = 3

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]
PredictLogits = Callable[[Pixels], Logits]


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """Identity of a bundle; ``model_bytes`` is the size of its model file. Unknown texts are empty."""

    name: str
    version: str
    sha256: str
    data_hash: str
    model_bytes: int

    def to_json(self) -> dict[str, str | int]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class BundlePredictions:
    """Calibrated logits of one bundle for every photo, clean and under each corruption.

    ``corrupted`` has one entry per photo and corruption; ``source`` is the name of the corruption.
    """

    bundle: BundleInfo
    clean: Predictions
    corrupted: Predictions


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of one photo on one thread: the median in milliseconds over ``rounds`` interleaved rounds."""

    candidate_ms: float
    champion_ms: float | None
    rounds: int

    @property
    def ratio(self) -> float | None:
        """Latency of the candidate divided by that of the champion; None without a champion."""
        return None if self.champion_ms is None else self.candidate_ms / max(self.champion_ms, 1e-6)


def bundle_info(predictor: BundlePredictor) -> BundleInfo:
    """Return the identity of a predictor's bundle."""
    bundle = predictor.bundle
    manifest, size = bundle.manifest, (bundle.folder / "model.onnx").stat().st_size
    return BundleInfo(manifest.name, manifest.version, bundle.sha256, manifest.data_hash, size)


def predict_with_bundles(
    predictors: Sequence[BundlePredictor], *, data: Path, rows: Sequence[IndexRow], progress: ProgressBar = no_progress
) -> list[BundlePredictions | BundleError]:
    """Predict the same photos of a dataset with every bundle; a bundle that fails gets its error instead.

    A photo is read once, at the scale that the largest bundle needs, and corrupted once. Each bundle then applies its
    own preprocessing, so all bundles get the same clean and corrupted images. Columns are in the order of the first
    bundle's classes; a bundle with other classes fails.

    Raises:
        DataError: a photo can't be read, or its hash differs from the index.
    """
    specs = [predictor.bundle.manifest.image for predictor in predictors]
    classes = predictors[0].bundle.manifest.classes

    def predict(row: IndexRow) -> list[Logits | BundleError]:
        prepared = _prepared(data, row, specs)
        return [_predict(one, prepared[spec], classes=classes) for one, spec in zip(predictors, specs, strict=True)]

    with ThreadPoolExecutor(processor_count()) as pool:
        predictions = list(progress(pool.map(predict, rows), total=len(rows), what="predicting photos"))
    columns = zip(*predictions, strict=True)
    return [
        _bundle_predictions(one, rows, column, classes=classes) for one, column in zip(predictors, columns, strict=True)
    ]


def images_to_time(spec: ImageSpec, *, data: Path, rows: Sequence[IndexRow]) -> Pixels:
    """Preprocess the first photos for a latency measurement, uint8 [N, S, S, 3]."""
    return np.stack(list(prepared_photos(spec, data=data, rows=rows[:TIMED_PHOTOS])))


def prepared_photos(spec: ImageSpec, *, data: Path, rows: Sequence[IndexRow]) -> Iterator[Pixels]:
    """Yield the photos of a dataset preprocessed for a network, each uint8 [S, S, 3].

    Raises:
        DataError: a photo can't be read, or its hash differs from the index.
    """
    for row in rows:
        yield _prepared(data, row, [spec], corruptions=())[spec][0]


def measure_latency(
    candidate: tuple[PredictLogits, Pixels],
    champion: tuple[PredictLogits, Pixels] | None = None,
    *,
    rounds: int = ROUNDS,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Measure the latency of one photo at a time, with the two bundles in turn, so that other load affects both.

    Each bundle is given as its function from images to logits and its images, uint8 [N, S, S, 3]. The measurement
    stops when the budget is spent, but not before twelve rounds. Medians exclude outliers.
    """
    models = [candidate] if champion is None else [candidate, champion]
    for predict, images in models:
        for number in range(WARM_UP):
            predict(_one(images, number))
    took: list[list[float]] = [[] for _ in models]
    started = clock()
    for number in range(rounds):
        order = range(len(models)) if number % 2 else reversed(range(len(models)))
        for turn in order:
            predict, images = models[turn]
            image, begun = _one(images, number), clock()
            predict(image)
            took[turn].append(clock() - begun)
        if number + 1 >= MIN_ROUNDS and clock() - started > budget_s:
            break
    medians = [1000 * statistics.median(times) for times in took]
    return Latency(medians[0], medians[1] if champion else None, rounds=len(took[0]))


def _prepared(
    data: Path, row: IndexRow, specs: Sequence[ImageSpec], *, corruptions: Iterable[str] = CORRUPTIONS
) -> dict[ImageSpec, Pixels]:
    """Return a photo and its corrupted copies, preprocessed for each spec: uint8 [1 + corruptions, S, S, 3]."""
    source, side = _bytes_of(data, row), max(spec.side_px for spec in specs)
    prepared: dict[ImageSpec, Pixels] = {}
    for background in dict.fromkeys(spec.background for spec in specs):
        try:
            pixels = decode(source, at_least_px=round(side * OVERSAMPLING), background=background).pixels
        except PhotoError as error:
            raise DataError(f"'{row.path}' of {data} can't be used: {error}") from error
        reduced = _reduced(pixels, side)
        images = [pixels, *(corrupt(reduced, name, level=MIDDLE_LEVEL) for name in corruptions)]
        for spec in (spec for spec in specs if spec.background == background):
            prepared[spec] = np.stack([prepare(image, spec) for image in images])
    return prepared


def _bytes_of(data: Path, row: IndexRow) -> bytes:
    try:
        source = (data / row.path).read_bytes()
    except OSError as error:
        raise DataError(f"'{row.path}' of {data} can't be read ({error.strerror}). Fetch the dataset again.") from error
    if hashlib.sha256(source).hexdigest() != row.sha256:
        raise DataError(f"'{row.path}' of {data} differs from the photo in the index. Fetch the dataset again.")
    return source


def _reduced(pixels: Pixels, side: int) -> Pixels:
    """Reduce the shorter side to the network's input size, for which the corruption strengths are meant."""
    height, width = pixels.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return pixels
    size = max(side, round(width * scale)), max(side, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _predict(predictor: BundlePredictor, images: Pixels, *, classes: Sequence[str]) -> Logits | BundleError:
    """Return logits with columns in the order of ``classes``, or the error if the bundle can't predict."""
    own = predictor.bundle.manifest.classes
    if sorted(own) != sorted(classes):
        return BundleError(f"Expected a model with the classes {', '.join(classes)}, got one with {', '.join(own)}.")
    try:
        logits = predictor.session.logits(images)
    except BundleError as error:
        return error
    if logits.shape != (len(images), len(own)) or not np.isfinite(logits).all():
        got = f"an array of {' x '.join(map(str, logits.shape))}"
        return BundleError(f"Expected {len(own)} finite numbers for each of {len(images)} images, got {got}.")
    return logits[:, [own.index(label) for label in classes]]


def _bundle_predictions(
    predictor: BundlePredictor,
    rows: Sequence[IndexRow],
    predictions: Sequence[Logits | BundleError],
    *,
    classes: Sequence[str],
) -> BundlePredictions | BundleError:
    logits: list[Logits] = []
    for predicted in predictions:
        if isinstance(predicted, BundleError):
            return predicted
        logits.append(predicted)
    corrupted = [(replace(row, path=f"{row.path}#{name}"), name) for row in rows for name in CORRUPTIONS]
    return BundlePredictions(
        bundle=bundle_info(predictor),
        clean=from_rows([one[0] for one in logits], rows, classes=classes),
        corrupted=from_rows(
            np.concatenate([one[1:] for one in logits]),
            [row for row, _ in corrupted],
            classes=classes,
            source=[name for _, name in corrupted],
        ),
    )


def _one(images: Pixels, number: int) -> Pixels:
    position = number % len(images)
    return images[position : position + 1]

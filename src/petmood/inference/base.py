"""Base class of predictors for the Python API, the service and the command line."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from petmood.core.errors import PetmoodError, PhotoError
from petmood.core.explanation import Explanation
from petmood.core.image import ImageSpec, PreparedImage, load
from petmood.core.photo import LIMITS, ImageLimits
from petmood.core.photo_source import PhotoSource, bytes_or_path, several_photos, unreadable
from petmood.core.prediction import Prediction, prediction_response
from petmood.core.schemas import ErrorResponse, ModelCardResponse, ModelInfo, PredictionResponse, error_response
from petmood.core.stages import stage

__all__ = ["BATCH", "Answer", "Explained", "Predictor", "answer_response", "try_prepare"]

BATCH: Final = 8
"""Number of photos that ``predict_many`` holds in memory."""

Answer = Prediction | PetmoodError
"""Result for one photo: a prediction, or the error that prevented it."""

Explained = Explanation | PetmoodError
"""The same with an explanation."""


class Predictor(ABC):
    """A model that predicts labels of photos.

    Subclasses implement ``model``, ``card``, ``predict_batch`` and ``explain_photo``; the others are built on them.
    """

    limits: ImageLimits = LIMITS
    """Limits of a photo, for every method."""

    @property
    @abstractmethod
    def model(self) -> ModelInfo:
        """Name, version and SHA-256 of the model."""

    @abstractmethod
    def card(self) -> ModelCardResponse:
        """Return the model's classes, manifest and model card."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return tuple(self.card().classes)

    @abstractmethod
    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one result per photo, in order, from one forward pass; the result of an invalid photo is its error."""

    @abstractmethod
    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Return the prediction for one photo with a map for each class; of an invalid photo its error."""

    def predict(self, photo: PhotoSource) -> Prediction:
        """Predict one photo: a path, the bytes of a file, or a binary file.

        Raises:
            PhotoError: the photo is rejected or can't be read; see ``core.errors``.
            TypeError: the argument is not a path, bytes or a binary file.
        """
        (answer,) = self._answers([photo])
        if isinstance(answer, Prediction):
            return answer
        try:
            raise answer
        finally:
            del answer, photo  # break the cycle error -> traceback -> frame, which keeps the photo in memory

    def explain(self, photo: PhotoSource) -> Explanation:
        """Predict one photo, with a map for each class of the places that raise or lower its logit.

        Raises:
            PhotoError, TypeError: as ``predict``.
        """
        given = _opened(photo, self.limits)
        answer = given if isinstance(given, PhotoError) else self.explain_photo(given)
        if isinstance(answer, Explanation):
            return answer
        try:
            raise answer
        finally:
            del answer, photo, given  # as above

    def predict_many(self, photos: Iterable[PhotoSource]) -> Iterator[Answer]:
        """Yield one result per photo, in order; the result of an invalid photo is its error, which is not raised.

        The iterable is consumed lazily, so memory use is that of 8 photos for any length.

        Raises:
            TypeError: the argument is one photo, or one of the photos is not a path, bytes or a binary file.
        """
        return self._in_batches(several_photos(photos))

    def __repr__(self) -> str:
        """Return the model's name, version and hash."""
        model = self.model
        return f"<{type(self).__name__} of {model.name} {model.version}, manifest {model.sha256[:12]}>"

    def _in_batches(self, photos: Iterator[PhotoSource]) -> Iterator[Answer]:
        while batch := list(itertools.islice(photos, BATCH)):
            yield from self._answers(batch)

    def _answers(self, photos: Sequence[PhotoSource]) -> list[Answer]:
        given = [_opened(photo, self.limits) for photo in photos]
        found = iter(self.predict_batch([photo for photo in given if not isinstance(photo, PhotoError)]))
        return [photo if isinstance(photo, PhotoError) else next(found) for photo in given]


def answer_response(photo: str, answer: Answer) -> PredictionResponse | ErrorResponse:
    """Return the response body of one photo's answer, or of the reason why there is none."""
    if isinstance(answer, Prediction):
        return prediction_response(answer, photo=photo)
    return error_response(answer, photo=photo)


def try_prepare(photo: bytes | Path, spec: ImageSpec, *, limits: ImageLimits = LIMITS) -> PreparedImage | PhotoError:
    """Prepare a photo; return (never raise) a ``PhotoError`` if it is rejected or its file can't be read."""
    try:
        with stage("decode"):
            return load(photo, spec, limits=limits)
    except PhotoError as error:
        return _without_traceback(error)
    except OSError as error:
        return unreadable((photo.name or str(photo)) if isinstance(photo, Path) else "The photo", error)


def _opened(photo: PhotoSource, limits: ImageLimits) -> bytes | Path | PhotoError:
    try:
        return bytes_or_path(photo, max_bytes=limits.file_bytes)
    except PhotoError as error:
        return _without_traceback(error)


def _without_traceback(error: PhotoError) -> PhotoError:
    """Return an error without its traceback, which would keep the photo and its pixels in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

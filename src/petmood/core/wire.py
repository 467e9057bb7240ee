"""What does an answer look like as JSON? The bodies that the command line prints and the service sends."""

from pydantic import BaseModel, ConfigDict, Field

from petmood.core.errors import PetmoodError
from petmood.core.prediction import Prediction

__all__ = ["ErrorBody", "ModelBody", "PredictionBody", "error_body", "prediction_body"]


class ModelBody(BaseModel):
    """Which model answered; ``sha256`` is that of its manifest, which seals every other file."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str


class PredictionBody(BaseModel):
    """The answer for one photo."""

    model_config = ConfigDict(frozen=True)

    photo: str | None = None
    mood: str
    probability: float = Field(ge=0, le=1)
    probabilities: dict[str, float]
    sure: bool
    prediction_set: list[str]
    model: ModelBody
    warnings: list[str] = []


class ErrorBody(BaseModel):
    """Why a photo got no answer: ``code`` for programs, ``message`` for people."""

    model_config = ConfigDict(frozen=True)

    photo: str | None = None
    code: str
    message: str


def prediction_body(prediction: Prediction, *, model: ModelBody, photo: str | None = None) -> PredictionBody:
    """Put a prediction, the model that made it and the photo's name into one body."""
    return PredictionBody(
        photo=photo,
        mood=prediction.mood,
        probability=prediction.probability,
        probabilities=prediction.probabilities,
        sure=prediction.sure,
        prediction_set=list(prediction.prediction_set),
        model=model,
        warnings=list(prediction.warnings),
    )


def error_body(error: PetmoodError, *, photo: str | None = None) -> ErrorBody:
    """Put an error's code and message into a body."""
    return ErrorBody(photo=photo, code=error.code, message=str(error))

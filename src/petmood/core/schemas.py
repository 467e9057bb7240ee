"""JSON response bodies of the command line and the HTTP service."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from petmood.core.errors import PetmoodError

__all__ = [
    "PHOTO_FIELD",
    "BatchResponse",
    "ErrorResponse",
    "HealthStatus",
    "ModelCardResponse",
    "ModelInfo",
    "PredictionResponse",
    "VertexResponse",
    "error_response",
]

PHOTO_FIELD: Final = "photo"
"""The form field of a photo in a request with a form."""


class ModelInfo(BaseModel):
    """Model of a prediction; ``sha256`` is the hash of its manifest, which lists the hashes of all other files."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str


class PredictionResponse(BaseModel):
    """Prediction for one photo; ``photo`` is its name on the command line, ``request_id`` is set by the service.

    ``confidence_threshold`` is the probability from which the model is confident; above 1, it never is.
    """

    model_config = ConfigDict(frozen=True)

    photo: str | None = None
    label: str
    probability: float = Field(ge=0, le=1)
    probabilities: dict[str, float]
    confident: bool
    confidence_threshold: float | None = None
    prediction_set: list[str]
    model: ModelInfo
    request_id: str | None = None
    warnings: list[str] = []


class ErrorResponse(BaseModel):
    """Error of a photo or a request: ``code`` for programs, ``message`` for people."""

    model_config = ConfigDict(frozen=True)

    photo: str | None = None
    code: str
    message: str
    request_id: str | None = None


class BatchResponse(BaseModel):
    """Results of ``/predict/batch``, in the order of the photos: a prediction or an error for each."""

    model_config = ConfigDict(frozen=True)

    results: list[PredictionResponse | ErrorResponse]
    request_id: str


class VertexResponse(BaseModel):
    """Results of a Vertex AI prediction request, one for each instance and in their order."""

    model_config = ConfigDict(frozen=True)

    predictions: list[PredictionResponse | ErrorResponse]


class HealthStatus(BaseModel):
    """Liveness or readiness of the process; ``reason`` is set if it is not ready."""

    model_config = ConfigDict(frozen=True)

    status: str
    reason: str | None = None


class ModelCardResponse(BaseModel):
    """Manifest and model card (Markdown) of the served model."""

    model_config = ConfigDict(frozen=True)

    model: ModelInfo
    classes: list[str]
    manifest: dict[str, Any]
    card: str


def error_response(error: PetmoodError, *, photo: str | None = None, request_id: str | None = None) -> ErrorResponse:
    """Build the response body of an error from its code, message and request id."""
    return ErrorResponse(photo=photo, code=error.code, message=str(error), request_id=request_id or error.request_id)

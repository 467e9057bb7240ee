"""BentoML service around a bundle, with configurable adaptive batching.

Load it as ``petmood.serving.integrations.bentoml.service:service``, with the bundle's folder in ``PETMOOD_BUNDLE``.
A built bento creates its own service with ``create_service``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import bentoml
from bentoml.images import Image
from bentoml.validators import ContentType
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from petmood.core.schemas import ExplanationResponse, PredictionResponse
from petmood.inference.base import Predictor
from petmood.inference.load import load_bundle
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.serving.integrations.bentoml.adapter import PENDING, ContractMiddleware
from petmood.serving.integrations.bentoml.cli_args import UNTRACKED
from petmood.serving.integrations.bentoml.runtime import PendingPhoto, ServiceRuntime, bundle_from_environment
from petmood.serving.routes.predict import EXPLAIN_PATH, PATH
from petmood.serving.upgrades import ignore_upgrades

__all__ = ["Answer", "Batching", "Explained", "Photo", "create_service", "service"]

NAME: Final = "petmood"
ENVIRONMENT: Final = [{"name": name, "value": value} for name, value in UNTRACKED.items()]


class Batching(BaseModel):
    """BentoML's adaptive batching, as arguments of the service: ``--arg max_batch=16 --arg max_latency_ms=500``.

    ``max_batch`` 1 disables batching: on a CPU a batch gains little, and the first request waits for the others.
    """

    max_batch: int = Field(default=1, ge=1, le=256)
    max_latency_ms: int = Field(default=1000, ge=1, le=60_000)

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of BentoML's ``api``, which requires a batch size of 2 or more."""
        return {
            "batchable": self.max_batch > 1,
            "max_batch_size": max(2, self.max_batch),
            "max_latency_ms": self.max_latency_ms,
        }


class Photo(bentoml.IODescriptor):  # type: ignore[misc] # BentoML exports it without a type
    """Input specification for BentoML: a form with one file, which the middleware has already read."""

    photo: Annotated[Path, ContentType("image/*")]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "Photo":  # noqa: ANN401, ARG003 - BentoML's signature
        """Return the pending photo that the middleware stored in the request's state."""
        taken: Photo = cls.model_construct(photo=[request.scope["state"][PENDING]])
        return taken


class Written(bentoml.IODescriptor):  # type: ignore[misc] # as above
    """Output specification for BentoML; the middleware writes the response."""

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:  # noqa: ANN401, ARG003 - BentoML's signature
        """Return an empty response; the result is in the pending photo."""
        return Response()


class Answer(Written, PredictionResponse):
    """Response of ``/predict``."""


class Explained(Written, ExplanationResponse):
    """Response of ``/explain``."""


def create_service(
    batching: Batching,
    *,
    bundle: Path | None = None,
    image: Image | None = None,
    opener: Callable[..., Predictor] = load_bundle,
) -> Any:  # noqa: ANN401 - BentoML's decorators have no types
    """Return a BentoML service for a bundle (default: the one named in the environment at startup).

    ``image`` is the container image specification; ``opener`` loads a predictor from a bundle folder.
    """
    ignore_upgrades()  # here, since BentoML's worker loads the service before it starts its server
    runtime = ServiceRuntime(max_batch=batching.max_batch, opener=opener)

    class Petmood:
        """Classifies the facial expression of a pet in a photo, or abstains."""

        def __init__(self) -> None:
            runtime.open(bundle or bundle_from_environment())

        async def predict(self, photo: list[PendingPhoto]) -> list[PendingPhoto]:
            """Predict photos, one or a batch gathered by BentoML."""
            keys = [PhotoKey(pending.request_id) for pending in photo]
            found = await runtime.service.answer([pending.photo for pending in photo], keys=keys)
            for pending, one in zip(photo, found, strict=True):
                pending.found = one
            return photo

        async def explain(self, photo: list[PendingPhoto]) -> list[PendingPhoto]:
            """Predict one photo, with a map for each class of the places that raise or lower its logit."""
            (pending,) = photo
            pending.found = await runtime.service.explain(pending.photo)
            return photo

        def stop(self) -> None:
            """Stop the worker threads."""
            runtime.close()

    predict = bentoml.api(Petmood.predict, route=PATH, input_spec=Photo, output_spec=Answer, **batching.options)
    explain = bentoml.api(Petmood.explain, route=EXPLAIN_PATH, input_spec=Photo, output_spec=Explained)
    Petmood.predict, Petmood.explain = predict, explain  # type: ignore[method-assign] # no decorators: they need the options
    bentoml.on_shutdown(Petmood.stop)
    made: Any = bentoml.service(Petmood, name=NAME, workers=1, image=image, envs=ENVIRONMENT)
    made.add_asgi_middleware(ContractMiddleware, runtime=runtime)
    return made


service = create_service(bentoml.use_arguments(Batching))

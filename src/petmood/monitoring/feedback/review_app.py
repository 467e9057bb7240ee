"""Web app in which a person reviews kept photos: one photo at a time, and each mark saved at once."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from starlette.middleware.trustedhost import TrustedHostMiddleware

from petmood.core.errors import LogUnavailable, PetmoodError
from petmood.core.photo import decode
from petmood.monitoring.feedback.records import REVIEWER, Feedback
from petmood.monitoring.feedback.review import choice_of, in_review_order, review_photos, reviewed_accuracy
from petmood.monitoring.feedback.store import FeedbackStore
from petmood.monitoring.kept_photos import KeptPhotos, PhotoReader
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.presentation.thumbnails import jpeg_bytes

__all__ = ["create_review_app"]

FILES: Final = Path(__file__).parent / "static"
SIDE_PX: Final = 1200
AT_ONCE: Final = 200
"""Photos of the queue that the page gets at once; it asks for more when they are reviewed."""
HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class Mark(BaseModel):
    """The right label of a photo."""

    label: Annotated[str, Field(max_length=200)]


def create_review_app(
    engine: Engine, photos: PhotoReader, *, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
) -> FastAPI:
    """Return the app. It has no token: requests must name one of ``hosts``, so that other sites can't reach it."""
    app = FastAPI(title="petmood review", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts])

    @app.middleware("http")
    async def protect(request: Request, call_next: Any) -> Response:  # noqa: ANN401 - starlette's own
        """Refuse changes from pages of other sites, and let browsers keep nothing."""
        if request.method != "GET" and request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return JSONResponse({"detail": "Expected a request of this page."}, status_code=403)
        response: Response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(LogUnavailable)
    def unavailable(_: Request, error: LogUnavailable) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.get("/queue")
    def queue() -> dict[str, Any]:
        """Return the photos to review in their order, and what was reviewed."""
        found = review_photos(engine, photos)
        waiting = in_review_order(found)
        return {
            "waiting": len(waiting),
            "reviewed": sum(photo.mark is not None for photo in found),
            "accuracy": [
                {name: getattr(one, name) for name in ("value", "low", "high", "count", "abstained")}
                | {"bundle": f"{one.bundle.name} {one.bundle.version}"}
                for one in reviewed_accuracy(found)
            ],
            "photos": [
                {
                    "request_id": photo.key.request_id,
                    "position": photo.key.position,
                    "predicted": photo.predicted,
                    "probabilities": photo.probabilities,
                    "chosen": photo.chosen,
                }
                for photo in waiting[:AT_ONCE]
            ],
        }

    store = FeedbackStore(engine)
    _add_photos(app, photos, store)
    _add_marks(app, store)
    app.mount("/", StaticFiles(directory=FILES, html=True))
    return app


def _add_photos(app: FastAPI, photos: PhotoReader, store: FeedbackStore) -> None:
    """Add the route of the photos."""

    @app.get("/photos/{position}/{request_id}")
    def photo(position: int, request_id: str) -> Response:
        """Return a photo as a JPEG without metadata, with at most ``SIDE_PX`` a side."""
        key = PhotoKey(request_id, position)
        known = store.prediction(key) if KeptPhotos.is_name(request_id, position) else None
        content = None if known is None else photos.read(key, sha256=known.photo_sha256)
        if content is None:
            raise HTTPException(404, "This photo is not kept any more.")
        try:
            pixels = decode(content, at_least_px=SIDE_PX).pixels
        except PetmoodError as error:
            raise HTTPException(422, str(error)) from error
        return Response(jpeg_bytes(pixels, side_px=SIDE_PX), media_type="image/jpeg")


def _add_marks(app: FastAPI, store: FeedbackStore) -> None:
    """Add the routes that save and delete marks."""

    @app.put("/marks/{position}/{request_id}")
    def mark(position: int, request_id: str, given: Mark) -> dict[str, str]:
        """Save the right label of a photo, in place of an earlier one."""
        key = PhotoKey(request_id, position)
        known = store.prediction(key)
        if known is not None and given.label not in known.bundle.classes:
            raise HTTPException(422, f"Expected one of {', '.join(known.bundle.classes)}, got {given.label!r}.")
        marked = Feedback(key, REVIEWER, given.label, None, time.time_ns() // 1000, chosen=choice_of(key))
        if known is None or store.write(marked) is None:
            raise HTTPException(404, "This prediction is not in the log any more.")
        return {"label": given.label}

    @app.delete("/marks/{position}/{request_id}")
    def unmark(position: int, request_id: str) -> dict[str, bool]:
        """Delete the mark of a photo."""
        return {"deleted": store.delete(PhotoKey(request_id, position), REVIEWER)}

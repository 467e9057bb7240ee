"""Cloud Functions entry point for functions-framework that serves a bundle.

Start it with ``PETMOOD_BUNDLE`` set and
``functions-framework --source .../petmood/serving/integrations/functions.py --target predict``.
"""

import io
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from petmood.core.errors import (
    BadRequest,
    ConfigError,
    FileTooLarge,
    InternalError,
    PetmoodError,
    PhotoError,
    RequestError,
)
from petmood.core.extras import require
from petmood.core.schemas import ErrorResponse, error_response, prediction_response
from petmood.inference.base import Predictor
from petmood.inference.load import load_bundle
from petmood.serving.middleware.auth import check_bearer_token
from petmood.serving.middleware.context import start_request_context
from petmood.serving.middleware.observability import error_headers
from petmood.serving.multipart import HINT, OVERHEAD_BYTES, one_photo, parse_content_type
from petmood.serving.server import configure_malloc
from petmood.serving.settings import Settings, read_settings

if TYPE_CHECKING:
    from flask import Request, Response

__all__ = ["Function", "predict"]

logger = logging.getLogger(__name__)

BUNDLE: Final = "PETMOOD_BUNDLE"
PIECE_BYTES: Final = 65_536


class Function:
    """Serves a bundle that is loaded on the first request and kept; thread-safe."""

    def __init__(self, opener: Callable[..., Predictor] = load_bundle) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._opened: tuple[Predictor, Settings] | None = None

    def __call__(self, request: "Request") -> "Response":
        """Handle one request; every error becomes a JSON body with its code."""
        request_id = start_request_context({"headers": _raw_headers(request)}).request_id
        try:
            if request.method != "POST":
                return _not_allowed(request, request_id)
            return self._answer(request, request_id)
        except PetmoodError as error:
            return _refusal(error, request_id)
        except Exception:
            logger.exception("a request failed")
            return _refusal(InternalError("Something went wrong here, and was logged. Try again later."), request_id)

    def _answer(self, request: "Request", request_id: str) -> "Response":
        predictor, settings = self._open()
        _refuse_strangers(request, settings)
        file_bytes = settings.limits.file_bytes
        kind = parse_content_type(request.headers.get("Content-Type", ""))
        body = _take_body(request, limit=file_bytes + OVERHEAD_BYTES)
        (answer,) = predictor.predict([one_photo(body, kind, file_bytes=file_bytes)])
        if isinstance(answer, PetmoodError):
            raise answer
        told = prediction_response(answer, model=predictor.model, request_id=request_id)
        return _json(told, status=200, request_id=request_id)

    def _open(self) -> tuple[Predictor, Settings]:
        with self._lock:
            if self._opened is None:
                settings, named = read_settings(), os.environ.get(BUNDLE)
                if not named:
                    raise ConfigError(f"Expected a bundle in {BUNDLE}, got none.")
                configure_malloc()
                self._opened = self._opener(Path(named), limits=settings.limits), settings
            return self._opened


_function = Function()


def predict(request: "Request") -> "Response":
    """Predict one photo, sent as the form field `photo` or as the raw body."""
    return _function(request)


def _raw_headers(request: "Request") -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]


def _refuse_strangers(request: "Request", settings: Settings) -> None:
    if settings.token is None:
        return
    check_bearer_token(request.headers.get("Authorization"), settings.token)


def _take_body(request: "Request", *, limit: int) -> bytes:
    """Return the body and replace the input stream by an empty one.

    Otherwise the framework would read the rest of a rejected body into memory.

    Raises:
        FileTooLarge: the declared or the received size exceeds ``limit`` bytes.
        BadRequest: the client disconnected before the body was complete.
    """
    wsgi = require("werkzeug.wsgi", extra="functions")
    disconnected: type[Exception] = require("werkzeug.exceptions", extra="functions").ClientDisconnected
    stream, declared = wsgi.get_input_stream(request.environ), request.content_length
    request.environ.update({"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"})
    too_large = FileTooLarge(f"Expected at most {limit / 1e6:.0f} MB, got more. Send a smaller copy.")
    gone = BadRequest("The sender went away before the whole body had come.")
    if declared is not None and declared > limit:
        raise too_large
    pieces, size = [], 0
    try:
        while piece := stream.read(PIECE_BYTES):  # a read may return less than requested
            pieces.append(piece)
            if (size := size + len(piece)) > limit:
                raise too_large
    except (disconnected, OSError) as error:
        raise gone from error
    if declared is not None and size < declared:
        raise gone
    return b"".join(pieces)


def _not_allowed(request: "Request", request_id: str) -> "Response":
    text = f"Expected POST, got {request.method[:20]}. {HINT}"
    body = ErrorResponse(code="method_not_allowed", message=text, request_id=request_id)
    response = _json(body, status=405, request_id=request_id)
    response.headers["Allow"] = "POST"
    return response


def _refusal(error: PetmoodError, request_id: str) -> "Response":
    if not isinstance(error, PhotoError | RequestError):  # bundle and settings errors are logged, not shown to clients
        logger.error("the function can't start: %s", error)
        error = InternalError("The function is not set up right, which was logged.")
    response = _json(error_response(error, request_id=request_id), status=error.status, request_id=request_id)
    for name, value in error_headers(error):
        response.headers[name.decode()] = value.decode()
    return response


def _json(body: BaseModel, *, status: int, request_id: str) -> "Response":
    flask = require("flask", extra="functions")
    response: Response = flask.Response(
        body.model_dump_json(exclude_none=True), status=status, mimetype="application/json"
    )
    response.headers["X-Request-Id"] = request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response

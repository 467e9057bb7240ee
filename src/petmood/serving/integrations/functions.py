"""Cloud Functions entry point in functions-framework's ASGI mode: the application of ``petmood serve``.

A function's ``main.py`` is one line, ``from petmood.serving.integrations.functions import predict``; start it with
``PETMOOD_BUNDLE=FOLDER functions-framework --target predict``.
"""

import asyncio
import atexit
import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType

import functions_framework.aio
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from petmood.core.environment import BUNDLE_VARIABLE
from petmood.core.errors import ConfigError, InternalError
from petmood.core.schemas import error_response
from petmood.serving.app import create_app
from petmood.serving.bundle_loading import open_bundle
from petmood.serving.middleware.context import start_request_context
from petmood.serving.routes.predict import PATH
from petmood.serving.routes.responses import json_response
from petmood.serving.server import configure_malloc
from petmood.serving.settings import read_settings
from petmood.serving.upgrades import ignore_upgrades

__all__ = ["predict"]

logger = logging.getLogger(__name__)


class _Application:
    """The service's application, created at the first request: the framework imports this module before it forks."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._app: FastAPI | None = None

    async def get(self) -> FastAPI:
        """Return the application; the first call loads the bundle, in a thread.

        Raises:
            PetmoodError: the bundle or a setting is invalid; the next call tries again.
        """
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(_start)
                _end_without_signal()
            return self._app


class _PassedOn(Response):
    """Response written by an ASGI application; ``POST /``, the function's own path, is handled as ``POST /predict``."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application handle the request."""
        if scope["method"] == "POST" and scope["path"] == "/":
            scope["path"] = PATH
        await self._app(scope, receive, send)


_application = _Application()
ignore_upgrades()  # here, since the framework starts its server later


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    """Handle a request with the application of ``petmood serve``; photos are posted to ``/`` or ``/predict``."""
    try:
        return _PassedOn(await _application.get())
    except Exception:
        logger.exception("the function can't start")
        request_id = start_request_context(request.scope).request_id
        error = InternalError("The function can't start, and the reason was logged. Check its bundle and settings.")
        return json_response(error_response(error, request_id=request_id), status=error.status)


def _start() -> FastAPI:
    settings, named = read_settings(), os.environ.get(BUNDLE_VARIABLE)
    if not named:
        raise ConfigError(f"Expected a bundle folder in {BUNDLE_VARIABLE}, got none. Set this environment variable.")
    configure_malloc()
    app = create_app(open_bundle(Path(named), settings), settings=settings)
    app.state.service.start()  # the framework runs no lifespan
    atexit.register(app.state.service.stop)
    return app


def _end_without_signal() -> None:
    """Let SIGTERM end the process by its last line, as what it registered with ``atexit`` runs only then.

    uvicorn shuts down at a SIGTERM, and then raises it again, which kills the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(server, uvicorn.Server):
        served = server

        def shut_down(_: int, __: FrameType | None) -> None:
            served.should_exit = True

        signal.signal(signal.SIGTERM, shut_down)

"""Pages for people: the landing page and Swagger UI, complete without any other host."""

import base64
import hashlib
import re
from os import PathLike, stat_result
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from petmood.presentation.answers import photos_kept
from petmood.serving.middleware.context import context_of
from petmood.serving.settings import Settings

__all__ = ["STATIC", "add_pages"]

STATIC: Final = "/static"
OWN_FILES: Final = Path(__file__).parents[1] / "static"
SWAGGER_FILES: Final = ("fastapi_swagger", "resources")
"""The package that ships Swagger UI's script, stylesheet and icon (docs/decisions/serving-libraries.md)."""

NOT_STORED: Final = "Photos are not stored."
"""Sentence of the landing page about a service that keeps no photos."""
SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
POLICY: Final = "default-src 'none'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
LANDING_POLICY: Final = POLICY + "script-src 'self'; style-src 'self'; img-src 'self' data: blob:"
SWAGGER_POLICY: Final = POLICY + "script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
"""Swagger UI sets styles in its elements; its one inline script is allowed by its hash."""


class PageFiles(StaticFiles):
    """Static files, counted and logged under the route ``/static`` whatever the path below it.

    ``Range`` is ignored, as RFC 9110, section 14.2 allows: starlette answers a wrong one in plain text.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one file."""
        context_of(scope).route = STATIC
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file that browsers revalidate on each visit, so that the scripts of a page are of one version."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def add_pages(app: FastAPI, settings: Settings) -> None:
    """Add the landing page at ``/``, Swagger UI at ``/docs`` and their files below ``/static``.

    The landing page says for how many days photos are kept, if they are.
    """
    router = APIRouter(include_in_schema=False)
    landing, swagger_ui = (OWN_FILES / "landing.html").read_text("utf-8"), _swagger_ui(title=app.title)
    if (days := settings.photo_days) is not None:
        landing = landing.replace(NOT_STORED, photos_kept(days))
    swagger_policy = SWAGGER_POLICY.format(hashes=_script_hashes(swagger_ui))

    @router.get("/")
    async def root() -> Response:
        return _page(landing, policy=LANDING_POLICY)

    @router.get("/docs")
    async def documentation() -> Response:
        return _page(swagger_ui, policy=swagger_policy)

    app.include_router(router)
    app.mount(STATIC, PageFiles(directory=OWN_FILES, packages=[SWAGGER_FILES]), name="static")


def _swagger_ui(*, title: str) -> str:
    """Return FastAPI's page of Swagger UI; its addresses are relative, so it works behind a path prefix."""
    made = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{title}: documentation",
        swagger_js_url=f"{STATIC[1:]}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC[1:]}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC[1:]}/favicon-32x32.png",
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
    )
    return bytes(made.body).decode()


def _script_hashes(html: str) -> str:
    """Return the sources of a page's inline scripts for a content security policy."""
    digests = [hashlib.sha256(script.encode()).digest() for script in SCRIPT.findall(html)]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _page(html: str, *, policy: str) -> Response:
    # with "no-referrer", browsers send a form's Origin as "null", which AuthMiddleware rejects
    headers = {"content-security-policy": policy, "referrer-policy": "same-origin", "cache-control": "no-cache"}
    return HTMLResponse(html, headers=headers)

"""Authentication, origin check and rate limiting, before the body is read."""

import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from petmood.core.errors import Forbidden, TooManyRequests, Unauthorized
from petmood.serving.addresses import client_group
from petmood.serving.middleware.context import header
from petmood.serving.settings import Settings

__all__ = ["Access", "AuthMiddleware", "RateLimit", "access_to", "check_bearer_token"]

PUBLIC_PATHS: Final = frozenset({"/", "/livez", "/readyz"})
METRICS: Final = "/metrics"
DOCS: Final = frozenset({"/docs", "/openapi.json"})
PUBLIC_FILES: Final = "/static/"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ADMIN: Final = "/models"
REMEMBERED: Final = 10_000
LONGEST_NAME: Final = 64


class Access(StrEnum):
    """Who may call a path: everyone, clients with the token (if one is set), or the admin."""

    PUBLIC = "public"
    TOKEN = "token"  # noqa: S105 - the name of a scheme, no secret
    ADMIN = "admin_token"


def access_to(path: str, settings: Settings) -> Access:
    """Return who may call a path; the OpenAPI document and ``AuthMiddleware`` both use it."""
    if path == ADMIN or path.startswith(f"{ADMIN}/"):
        return Access.ADMIN
    is_public = (
        path in PUBLIC_PATHS
        or path == settings.vertex_health_route
        or path.startswith(PUBLIC_FILES)
        or (settings.public_metrics and path == METRICS)
        or (settings.public_docs and path in DOCS)
    )
    return Access.PUBLIC if is_public else Access.TOKEN


class RateLimit:
    """Token bucket per client: ``per_minute`` requests a minute, with a burst of the same size.

    Keeps at most 10,000 clients, named by at most 64 characters; the least recently used ones are evicted.
    """

    def __init__(self, per_minute: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = per_minute / 60, max(1.0, per_minute), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refuse_if_spent(self, client: str) -> None:
        """Take one request from a client's bucket.

        Raises:
            TooManyRequests: the bucket is empty.
        """
        now, client = self._clock(), client[:LONGEST_NAME]
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        self._left[client] = (left - 1 if left >= 1 else left, now)  # a rejected request consumes no token
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            error = TooManyRequests(
                f"Expected at most {self._rate * 60:g} requests per minute, got more. Try again in a moment."
            )
            error.retry_after_s = math.ceil((1 - left) / self._rate)
            raise error


def check_bearer_token(authorization: str | None, secret: SecretStr) -> None:
    """Compare the ``Authorization`` header of a request with a secret, in constant time.

    Raises:
        Unauthorized: the header is missing, has another scheme, or holds another token.
    """
    scheme, _, given = (authorization or "").partition(" ")
    expected = secret.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), expected):
        raise Unauthorized("Expected a valid bearer token. Send the header: Authorization: Bearer TOKEN")


class AuthMiddleware:
    """ASGI middleware that raises an error for requests that are not allowed."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._proxies = settings.proxies
        self._rate = RateLimit(settings.rate_per_minute) if settings.rate_per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and pass it on.

        Raises:
            Unauthorized: the token is missing or wrong.
            Forbidden: admin routes are off, or the page's origin is not allowed.
            TooManyRequests: the client's rate limit is exceeded.
        """
        if scope["type"] == "http":
            self._check(scope)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path, method = scope["path"], scope["method"]
        if method not in SAFE:
            self._refuse_other_origins(scope)
        access = access_to(path, self._settings)
        if access is Access.ADMIN:
            self._refuse_without(
                self._settings.admin_token,
                scope,
                off="Admin routes are disabled. Set PETMOOD_ADMIN_TOKEN of the service to enable them.",
            )
        elif access is Access.TOKEN and method != "OPTIONS":
            if self._settings.token is not None:
                self._refuse_without(self._settings.token, scope)
            if self._rate is not None:
                self._rate.refuse_if_spent(client_group(self._proxies.client_of(scope)))

    def _refuse_without(self, secret: SecretStr | None, scope: Scope, *, off: str = "") -> None:
        if secret is None:
            raise Forbidden(off)
        check_bearer_token(header(scope, b"authorization"), secret)

    def _refuse_other_origins(self, scope: Scope) -> None:
        origin = header(scope, b"origin")
        if origin is None or origin in self._settings.origins:
            return
        if not _is_same(origin, header(scope, b"host") or ""):
            raise Forbidden(f"Origin {origin[:100]!r} is not allowed. Add it to PETMOOD_ORIGINS of the service.")


def _is_same(origin: str, host: str) -> bool:
    """Return whether an origin matches the request's Host; ``null`` (a sandboxed page, a local file) never does."""
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False

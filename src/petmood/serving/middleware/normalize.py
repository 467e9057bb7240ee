"""Middleware for what all routes share: Host, content coding, HEAD requests and a trailing slash."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from petmood.core.errors import BadRequest, RequestError, UnsupportedCoding
from petmood.serving.middleware.context import context_of, header

__all__ = ["NormalizingMiddleware"]

HOST: Final = re.compile(r"""(\[[0-9A-Za-z:.%_~-]+\]|[^][:/?#@\\<>"^`{|}\s\x00-\x20\x7f-\xff]*)(:[0-9]{0,5})?""")
"""Host as in RFC 9112, section 3.2: a name or an address with an optional port; empty if the target has none."""


class NormalizingMiddleware:
    """ASGI middleware that refuses requests with an invalid head, and makes the others uniform.

    HEAD is handled as GET, without the body of the response. ``/predict/`` is handled as ``/predict``: a redirect would
    make clients send the photo twice, to the address in the ``Host`` header.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Sequence[str] = (), probes: Collection[str] = ()) -> None:
        """Accept hosts such as ``pets.example`` and ``*.pets.example`` (all if there are none); probes accept all."""
        self._app, self._probes = app, probes
        self._allowed_hosts = tuple(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and normalize one request, and pass it on.

        Raises:
            BadRequest: the Host header is missing, repeated, invalid or not allowed, or the transfer coding is unknown.
            UnsupportedCoding: the body is compressed.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_headers(scope)
        except RequestError:
            context_of(scope).closes = True
            raise
        path = scope["path"]
        if path.endswith("/") and len(path.rstrip("/")) == len(path) - 1 > 0:
            scope["path"] = path[:-1]
        if self._allowed_hosts and scope["path"] not in self._probes:
            self._refuse_other_hosts(scope)
        if scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refuse_other_hosts(self, scope: Scope) -> None:
        """Refuse other hosts: a page whose name was rebound to this service's address would count as its own."""
        found = HOST.fullmatch((header(scope, b"host") or "").strip())
        host = found[1].lower() if found else ""
        if not any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in self._allowed_hosts):
            context_of(scope).closes = True
            raise BadRequest(f"Host {host[:60]!r} is not allowed. Add it to PETMOOD_ALLOWED_HOSTS of the service.")

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a HEAD request as GET; the server sends no body, since it sees the method restored."""

        async def send_as_head(message: Message) -> None:
            scope["method"] = "HEAD"
            await send(message)

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, send_as_head)
        finally:
            scope["method"] = "HEAD"


def _check_headers(scope: Scope) -> None:
    hosts, content_codings, transfer_codings = list[bytes](), list[bytes](), list[bytes]()
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-encoding":
            content_codings += value.split(b",")
        elif name == b"transfer-encoding":
            transfer_codings += value.split(b",")
    if len(hosts) > 1 or (not hosts and scope.get("http_version") == "1.1"):
        raise BadRequest(f"Expected one Host header, got {len(hosts)}. Send one.")
    if hosts and not HOST.fullmatch(str(hosts[0], "latin-1").strip()):
        raise BadRequest(f"Expected a Host header such as 'pets.example:8000', got {_shown(hosts[0])}.")
    if coding := _other_than(b"chunked", transfer_codings):
        raise BadRequest(
            f"Expected no Transfer-Encoding other than 'chunked', got {_shown(coding)}. Send the plain body."
        )
    if not context_of(scope).body_done and (coding := _other_than(b"identity", content_codings)):
        raise UnsupportedCoding(
            f"Expected a body without Content-Encoding, got {_shown(coding)}. Send it uncompressed."
        )


def _other_than(allowed: bytes, codings: list[bytes]) -> bytes | None:
    names = (coding.strip().lower() for coding in codings)
    return next((name for name in names if name not in {b"", allowed}), None)


def _shown(value: bytes) -> str:
    return repr(str(value[:60], "latin-1"))

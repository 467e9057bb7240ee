"""uvicorn protocol that ignores ``Upgrade`` headers and trailers, for every server that runs petmood.

RFC 9110, section 7.8: a server may ignore ``Upgrade`` and then handles the request in the current protocol. The parser
(llhttp) ends such a request after its headers instead: the body is lost, and a later part of it is read as the next
request. The names used from uvicorn are not public: tests/house/test_uvicorn.py pins them.
"""

from typing import Final

import httptools
from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["UpgradeIgnoringProtocol", "ignore_upgrades"]

VERSIONS: Final = ("1.0", "1.1")
INVALID: Final = "Invalid HTTP request received."


class UpgradeIgnoringProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, except that a request to upgrade is an ordinary request."""

    _ends_headers = False
    _replays = False

    @property
    def is_replaying(self) -> bool:
        """Whether the parser reads the headers of a request again, without ``Upgrade``."""
        return self._replays

    def data_received(self, data: bytes) -> None:
        """Parse received data; the headers of a request to upgrade are parsed again without ``Upgrade``."""
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                if not self._replay_headers():
                    return
            except httptools.HttpParserError:
                self._on_invalid()
                return
            else:
                return

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._ends_headers = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; trailers are dropped, since they must not be merged into headers (RFC 9110, 6.5.1)."""
        if not self._ends_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Dispatch the request, unless its headers are parsed again first."""
        self._ends_headers = True
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise ConnectionAbortedError  # stops the parser, which also reads 0.9 and 2.0
        self.expect_100_continue = self.expect_100_continue and version == "1.1"  # RFC 9110, section 10.1.1
        if not self._upgrades:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Complete the body, unless the parser ended the request after its headers."""
        if not self._upgrades:
            super().on_message_complete()

    @property
    def _upgrades(self) -> bool:
        return bool(self.parser.should_upgrade())

    def _replay_headers(self) -> bool:
        """Feed the headers of the current request without ``Upgrade`` to a new parser; return whether it is valid."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
        self._replays = True
        try:
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # CONNECT always asks for an upgrade
            self._on_invalid()
            return False
        finally:
            self._replays = False
        return True

    def _on_invalid(self) -> None:
        self.logger.warning(INVALID)
        self.send_400_response(INVALID)


def ignore_upgrades() -> None:
    """Make servers of this process that leave the protocol to uvicorn ignore ``Upgrade``, as BentoML's."""
    uvicorn_config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{UpgradeIgnoringProtocol.__name__}"

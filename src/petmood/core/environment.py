"""Names of the environment variables that several parts of petmood read, and the default address of a service."""

from typing import Final

__all__ = ["API_URL_VARIABLE", "BUNDLE_VARIABLE", "DEFAULT_API_URL", "TOKEN_VARIABLE"]

BUNDLE_VARIABLE: Final = "PETMOOD_BUNDLE"
"""The bundle that a service loads, if none is named on the command line."""
TOKEN_VARIABLE: Final = "PETMOOD_TOKEN"  # noqa: S105 - the name of a variable, no secret
"""The bearer token: a service demands it, a client sends it."""
API_URL_VARIABLE: Final = "PETMOOD_API_URL"
"""The service that the web page calls."""
DEFAULT_API_URL: Final = "http://127.0.0.1:8000"

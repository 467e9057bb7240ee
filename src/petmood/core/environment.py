"""Environment of the process: names of variables that several parts of petmood read, and the current user."""

import getpass
import os
from typing import Final

__all__ = [
    "API_URL_VARIABLE",
    "BUNDLE_VARIABLE",
    "DEFAULT_API_URL",
    "PUBLIC_KEY_VARIABLE",
    "TOKEN_VARIABLE",
    "current_user",
]

BUNDLE_VARIABLE: Final = "PETMOOD_BUNDLE"
"""The bundle that a service loads, if none is named on the command line."""
TOKEN_VARIABLE: Final = "PETMOOD_TOKEN"  # noqa: S105 - the name of a variable, no secret
"""The bearer token: a service demands it, a client sends it."""
API_URL_VARIABLE: Final = "PETMOOD_API_URL"
"""The service that the web page calls."""
PUBLIC_KEY_VARIABLE: Final = "PETMOOD_PUBLIC_KEY"
"""The public key that bundles must be signed for: a service and `petmood registry pull` check it."""
DEFAULT_API_URL: Final = "http://127.0.0.1:8000"


def current_user() -> str:
    """Return the current user's name, or "uid 12345" for a user without an entry, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown user"

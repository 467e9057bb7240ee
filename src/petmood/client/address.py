"""Validation of a service's address, shared by the clients and the command line."""

from urllib.parse import SplitResult, urlsplit

from petmood.core.errors import ConfigError
from petmood.core.redact import without_credentials

__all__ = ["split_address", "with_plain_zone"]


def with_plain_zone(url: str) -> str:
    """Return an address whose IPv6 zone is written as sockets read it; in URLs its ``%`` is encoded (RFC 6874).

    >>> with_plain_zone("http://[fe80::1%25eth0]:8000")
    'http://[fe80::1%eth0]:8000'
    """
    head, bracket, rest = url.partition("]")
    return head.replace("%25", "%") + bracket + rest if bracket else url


def split_address(url: str) -> SplitResult:
    """Split a service's address, such as ``http://127.0.0.1:8000`` or ``https://pets.example/api``, into its parts.

    >>> split_address("http://127.0.0.1:8000").port
    8000

    Raises:
        ConfigError: the string is not an http(s) address, or has a password, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number, or an unclosed bracket
        valid = False
    if not valid or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            "Expected an address such as http://127.0.0.1:8000, without a password, '?' or '#', "
            f"got {without_credentials(url)!r}."
        )
    return parts

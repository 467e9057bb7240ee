"""Validated address and request settings of a service, and translation of httpx errors."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from petmood.client.address import split_address
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, MissingDependency, ServiceTimeout, ServiceUnreachable
from petmood.core.loopback import is_this_machine
from petmood.core.redact import one_line

__all__ = ["Endpoint"]

C = TypeVar("C")
PROXIES: Final = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service's address with the token, the timeout and the number of retries of requests.

    Raises:
        ConfigError: a field is invalid.
    """

    address: str
    token: str | None
    timeout_s: float
    retries: int

    def __post_init__(self) -> None:
        """Check the fields; error messages don't contain the token."""
        split_address(self.address)
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token.strip()):
            raise ConfigError("Expected a token of printable ASCII characters without line breaks.")
        if not self.timeout_s > 0:
            raise ConfigError(f"Expected a timeout_s above 0, got {self.timeout_s}.")
        if self.retries < 0:
            raise ConfigError(f"Expected 0 or more retries, got {self.retries}.")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        found = {"authorization": f"Bearer {self.token}"} if self.token else {}
        parts = split_address(self.address)
        name, zone, _ = (parts.hostname or "").partition("%")
        if zone:  # it has a meaning on this machine alone
            found["host"] = f"[{name}]" if parts.port is None else f"[{name}]:{parts.port}"
        return found

    def open(self, kind: Callable[..., C], **given: Any) -> C:  # noqa: ANN401 - arguments of httpx's clients
        """Return a client of httpx for this endpoint; this machine is reached without a proxy.

        Raises:
            ConfigError: a proxy or a certificate in the environment can't be used.
            MissingDependency: a SOCKS proxy is set, and the package for it is not installed.
        """
        parts = split_address(self.address)
        direct = is_this_machine(parts.hostname or "")
        try:
            if direct and parts.scheme == "https":  # without the environment, httpx would miss SSL_CERT_FILE as well
                given["verify"] = httpx.create_ssl_context(trust_env=True)
            return kind(headers=self.headers, timeout=self.timeout_s, trust_env=not direct, **given)
        except ImportError as error:
            command = shell_command("install", "httpx[socks]", program="pip")
            message = f"A SOCKS proxy is set ({_names_set(PROXIES)}), which needs 'socksio'."
            raise MissingDependency(f"{message} Unset it, or install the package with: {command}") from error
        except (ValueError, OSError, httpx.InvalidURL) as error:
            names = _names_set((*PROXIES, *CERTIFICATES))
            message = f"The proxy or certificate settings ({names}) can't be used: {one_line(error)}."
            raise ConfigError(f"{message} Correct or unset these variables.") from error

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raise errors of httpx as those of petmood.

        Raises:
            ServiceTimeout: the service did not respond in time.
            ServiceUnreachable: the service can't be reached, or the connection broke.
        """
        try:
            yield
        except httpx.TimeoutException as error:
            message = f"No response from {self.address} within {self.timeout_s:g} s. Try again, or raise the timeout."
            raise ServiceTimeout(message) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            command = shell_command("serve", "BUNDLE")
            raise ServiceUnreachable(
                f"{self.address} can't be reached ({one_line(error)}). Check the address, or start a service with: "
                f"{command}"
            ) from error


def _names_set(variables: Sequence[str]) -> str:
    """Return the names of the variables that are set; their values may hold passwords."""
    names = [name for one in variables for name in (one, one.lower()) if os.environ.get(name)]
    return ", ".join(names) or "none is set"

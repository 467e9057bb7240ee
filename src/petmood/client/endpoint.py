"""Validated address and request settings of a service, and translation of httpx errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from petmood.client.address import split_address
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, ServiceTimeout, ServiceUnreachable
from petmood.core.redact import one_line

__all__ = ["Endpoint"]


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
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

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
        except httpx.HTTPError as error:
            command = shell_command("serve", "BUNDLE")
            raise ServiceUnreachable(
                f"{self.address} can't be reached ({one_line(error)}). Check the address, or start a service with: "
                f"{command}"
            ) from error

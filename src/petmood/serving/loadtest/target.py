"""Target URL of a load test; remote machines need explicit permission."""

from dataclasses import dataclass
from typing import Final

from petmood.client.address import split_address
from petmood.core.errors import ConfigError
from petmood.core.loopback import is_loopback

__all__ = ["PREDICT", "Target", "target_of"]

PREDICT: Final = "/predict"


@dataclass(frozen=True, slots=True)
class Target:
    """Target of a load test: ``base`` such as ``http://127.0.0.1:8000`` and ``path`` such as ``/predict``."""

    base: str
    path: str

    @property
    def url(self) -> str:
        """The complete URL."""
        return self.base + self.path


def target_of(url: str, *, allow_remote: bool) -> Target:
    """Return the target for ``url``, with the path ``/predict`` if it has none.

    Raises:
        ConfigError: ``url`` is not an http(s) URL, or is not loopback and ``allow_remote`` is False.
    """
    parts = split_address(url)
    host, port = parts.hostname or "", parts.port
    if not (allow_remote or is_loopback(host)):
        raise ConfigError(
            f"Expected a service on this machine (127.0.0.1, ::1, localhost), got {host}. A load test of another "
            "machine can look like an attack and may cost money. If you operate that machine, add --allow-remote."
        )
    name = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")
    return Target(base, parts.path if parts.path.strip("/") else PREDICT)

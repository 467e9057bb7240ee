"""Count of open connections: a limit for all, a limit for each address, and a reserve for health probes."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from petmood.serving.addresses import TrustedProxies, client_group

__all__ = ["PROBE_WAIT_S", "Admission", "ConnectionTable"]

PROBES: Final = 16
PROBES_EACH: Final = 4
PROBE_WAIT_S: Final = 2.0
"""Seconds until a probe on a reserved connection has sent its headers; a client can hold it no longer."""


class Admission(Enum):
    """What a new connection may do."""

    OPEN = auto()
    PROBES_ONLY = auto()
    REFUSED = auto()


@dataclass(slots=True)
class ConnectionTable:
    """Open connections of one process by client address; all IPv6 addresses of a /64 network are one.

    Trusted proxies, who connect for many clients, are exempt from ``per_address``; they leave a tenth of ``most`` to
    others. Beyond the limits, a few connections are admitted for health probes alone.
    """

    most: int
    per_address: int
    proxies: TrustedProxies
    _open: dict[object, str] = field(default_factory=dict, init=False)
    _probes: dict[object, str] = field(default_factory=dict, init=False)
    _counts: Counter[str] = field(default_factory=Counter, init=False)

    def admit(self, connection: object, address: str | None) -> Admission:
        """Count a new connection of an address (None for a Unix socket), and return what it may do."""
        group, allowed = client_group(address), self.most - self.most // 10
        if address not in self.proxies:
            allowed = min(allowed, self.per_address)
        if len(self._open) < self.most and self._counts[group] < allowed:
            self._open[connection] = group
            self._counts[group] += 1
            return Admission.OPEN
        if len(self._probes) < PROBES and sum(one == group for one in self._probes.values()) < PROBES_EACH:
            self._probes[connection] = group
            return Admission.PROBES_ONLY
        return Admission.REFUSED

    def release(self, connection: object) -> None:
        """Forget a closed connection, whatever it was admitted for."""
        self._probes.pop(connection, None)
        if (group := self._open.pop(connection, None)) is not None:
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

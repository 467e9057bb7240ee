"""Client addresses: which forwarded addresses are trusted, and which addresses count as one client."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from starlette.types import Scope

__all__ = ["UNKNOWN", "TrustedProxies", "client_group"]

UNKNOWN: Final = "unknown"
EVERYONE: Final = "*"
NOBODY: Final = "none"
MAX_HOPS: Final = 16
MAX_TEXT: Final = 64
"""Longest text that is parsed as an address: an IPv6 address in brackets with a zone and a port is shorter."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Proxies whose ``X-Forwarded-For`` is trusted: networks, or every peer and then ``hops`` proxies in a row."""

    networks: tuple[Network, ...] = ()
    everyone: bool = False
    hops: int = 1

    @classmethod
    def parse(cls, text: str, *, hops: int = 1) -> Self:
        """Return the proxies in a list of addresses and networks, separated by commas; ``*`` is every peer.

        Raises:
            ValueError: an entry is neither an address nor a network.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip() not in {"", NOBODY}]
        named = [entry for entry in entries if entry != EVERYONE]
        return cls(tuple(map(ipaddress.ip_network, named)), everyone=len(named) < len(entries), hops=hops)

    def __contains__(self, address: str | None) -> bool:
        """Return whether a peer is trusted; one without an address is connected by a Unix socket of this machine."""
        return address is None or self.everyone or self._names(_parsed(address))

    def client_of(self, scope: Scope) -> str:
        """Return the client's address of a request: the peer's, or the one that trusted proxies have seen.

        Every proxy appends the address of its own peer, and a client can write any entry before. So the list is read
        from its end: to the first address that is not trusted or, if every peer is trusted, ``hops`` entries. If that
        entry is not an address, the peer's is returned.
        """
        peer = scope["client"][0] if scope.get("client") else None
        if peer not in self:
            return peer or UNKNOWN
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        return self._first_untrusted(_entries_from_end(values)) or peer or UNKNOWN

    def _first_untrusted(self, entries: Iterable[bytes]) -> str | None:
        found: Address | None = None
        for number, entry in enumerate(entries, start=1):
            found = _parsed(_without_port(str(entry[: MAX_TEXT + 1], "latin-1").strip()))
            if found is None or not (number < self.hops if self.everyone else self._names(found)):
                break
        return None if found is None else str(found)

    def _names(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


def client_group(address: str | None) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network that an IPv6 client can choose from.

    >>> client_group("2001:db8:1:2:aaaa::1")
    '2001:db8:1:2::/64'

    Any other text is ``unknown``.
    """
    parsed = _parsed(address or "")
    if parsed is None:
        return UNKNOWN
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


def _parsed(text: str) -> Address | None:
    """Return an address without its zone, IPv4 if it is mapped to IPv6; None for any other text."""
    if len(text) > MAX_TEXT:
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if found.version == 6 else found


def _without_port(text: str) -> str:
    if text.startswith("["):
        inside, bracket, _ = text[1:].partition("]")
        return inside if bracket else text
    host, colon, _ = text.partition(":")
    return host if colon and text.count(":") == 1 else text


def _entries_from_end(values: list[bytes]) -> Iterable[bytes]:
    """Yield the last entries of a header that may be repeated, without splitting all of it."""
    left = MAX_HOPS
    for value in reversed(values):
        for entry in reversed(value.rsplit(b",", left - 1)):
            yield entry
            left -= 1
            if not left:
                return

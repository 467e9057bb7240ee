"""Listening sockets of services, with one-line errors, and their addresses as URLs."""

import errno
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from petmood.core.errors import ConfigError

__all__ = ["bind", "bind_all", "check_port", "open_url", "url_of"]

EVERY_IPV4: Final = "0.0.0.0"  # noqa: S104 - a name for it
EVERY_IPV6: Final = "::"
BACKLOG: Final = 2048
TRIES: Final = 20


def bind(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; port 0 takes any free port.

    A name is bound by its IPv4 address, if it has one. An IPv6 address accepts IPv6 alone, and may have a zone
    (``fe80::1%eth0``).

    Raises:
        ConfigError: the address can't be bound.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = next((one for one in found if one[0] == socket.AF_INET), found[0])
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        code = error.errno if isinstance(error, OSError) else None
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0]  # it appends the address
        advice = {
            errno.EADDRINUSE: "another port with --port",
            errno.EACCES: "a port of 1024 or more with --port",
        }.get(code or 0, "another --port or --host")
        raise ConfigError(f"Can't listen on {_authority(host, port)} ({reason}). Choose {advice}.") from error


def bind_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Return listening sockets of several hosts at one port; port 0 takes any that is free at all of them.

    ``::`` is every address of the machine, of IPv6 and of IPv4, in a socket of each. So the address of a client is
    always written in the same way.

    Raises:
        ConfigError: an address can't be bound.
    """
    every = [one for host in hosts for one in ((host, EVERY_IPV4) if _is_every_ipv6(host) else (host,))]
    wanted = list(dict.fromkeys(every))
    for left in reversed(range(TRIES)):
        with ExitStack() as opened:
            try:
                sockets = [opened.enter_context(bind(wanted[0], port))]
                chosen = sockets[0].getsockname()[1]
                sockets += [opened.enter_context(bind(host, chosen)) for host in wanted[1:]]
            except ConfigError:
                if port or not left:
                    raise
                continue  # the port was free at the first host alone
            opened.pop_all()
            return sockets
    raise AssertionError  # pragma: no cover - the last try returns or raises


def check_port(host: str, port: int) -> None:
    """Check that a port is free before another program is started that will listen on it.

    Raises:
        ConfigError: the address can't be bound.
    """
    bind(host, port).close()


def url_of(host: str, port: int) -> str:
    """Return the URL of a host, with brackets around an IPv6 address.

    >>> url_of("::1", 8000)
    'http://[::1]:8000'
    """
    return f"http://{_authority(host, port)}"


def open_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches what listens on a host; all addresses are shown as 127.0.0.1.

    >>> open_url("0.0.0.0", 8000)
    'http://127.0.0.1:8000'
    """
    return url_of("127.0.0.1" if host == EVERY_IPV4 or _is_every_ipv6(host) else host, port)


def _authority(host: str, port: int) -> str:
    name = host.strip("[]")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _is_every_ipv6(host: str) -> bool:
    try:
        found = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return found.version == 6 and found.is_unspecified

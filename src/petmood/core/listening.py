"""Listening sockets of services, with one-line errors."""

import errno
import socket

from petmood.core.errors import ConfigError

__all__ = ["bind", "check_port"]


def bind(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; port 0 takes any free port.

    Raises:
        ConfigError: the address can't be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while ")[0]  # create_server appends the address
        advice = "another port with --port" if error.errno == errno.EADDRINUSE else "another --port or --host"
        raise ConfigError(f"Can't listen on {host}:{port} ({reason}). Choose {advice}.") from error


def check_port(host: str, port: int) -> None:
    """Check that a port is free before another program is started that will listen on it.

    Raises:
        ConfigError: the address can't be bound.
    """
    bind(host, port).close()

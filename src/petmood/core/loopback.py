"""Addresses of this machine, which are reached without a proxy."""

import contextlib
import ipaddress
import os
import re
import socket
from collections.abc import MutableMapping
from typing import Final

__all__ = ["bypass_proxies", "is_loopback", "is_this_machine"]

PROXIES: Final = ("all_proxy", "http_proxy", "https_proxy")
SHORT_NOTATION: Final = re.compile(r"[0-9][0-9a-fx.]*", re.ASCII)
"""IPv4 addresses in fewer parts, in octal or hexadecimal, such as 127.1 and 0x7f.1."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Return whether a host is loopback, without DNS: a resolved name may point elsewhere a moment later.

    These are 127.0.0.0/8 in any notation, ``::1``, ``localhost`` and the names that end with ``.localhost``.
    """
    name = host.lower().rstrip(".").partition("%")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        if not SHORT_NOTATION.fullmatch(name):  # inet_aton stops at the first space, whatever follows it
            return False
        with contextlib.suppress(OSError):
            return socket.inet_aton(name)[0] == 127
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def is_this_machine(host: str) -> bool:
    """Return whether a host is loopback, the unspecified address, or the name of this machine."""
    name = host.lower().rstrip(".")
    return is_loopback(name) or name in {"0.0.0.0", "::", socket.gethostname().lower()}  # noqa: S104 - no socket is bound


def bypass_proxies(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add this machine to ``NO_PROXY``, if a proxy is set; for libraries that read it, such as those of MLflow.

    Both spellings are written, since libraries differ in which they read first.
    """
    if not any(environment.get(name) or environment.get(name.upper()) for name in PROXIES):
        return
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    entries = [entry.strip() for entry in known.split(",") if entry.strip()]
    if "*" not in entries:
        entries += [name for name in (*LOCAL, socket.gethostname()) if name not in entries]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(entries)

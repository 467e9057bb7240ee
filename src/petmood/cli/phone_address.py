"""Address of this machine for a phone in the same network, with a QR code."""

import io
import socket
from typing import Final

from petmood.core.extras import require
from petmood.core.listening import url_of

__all__ = ["network_address", "phone_text"]

ELSEWHERE: Final = ("192.0.2.1", 9)
"""An address that is reserved for documentation (RFC 5737)."""


def network_address() -> str | None:
    """Return the IPv4 address that this machine has in its network, None without one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if found.startswith("127.") else found


def phone_text(port: int, *, with_code: bool, with_token: bool) -> str:
    """Return what to open on a phone and who can use it; with ``with_code`` also its QR code, for a terminal."""
    found = network_address()
    if found is None:
        return "This machine has no address in a network. Connect it to that of the phone, and start again."
    url = f"{url_of(found, port)}/"
    who = "with the token can use the service" if with_token else "can use the service. PETMOOD_TOKEN limits it"
    lines = [f"On a phone in the same network: {url}", f"Everyone in this network {who}."]
    if with_code:
        code = io.StringIO()
        require("segno", extra="serve").make(url, error="m", micro=False).terminal(code, compact=True)
        lines.insert(1, code.getvalue().rstrip("\n"))
    return "\n".join(lines)

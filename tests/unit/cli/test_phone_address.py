"""Tests of the address for a phone, and of its QR code."""

import ipaddress
import re
import socket

import pytest
import segno

import petmood.cli.phone_address as module
from petmood.cli.phone_address import network_address, phone_text

WARNING = "Everyone in this network can use the service. PETMOOD_TOKEN limits it."
BLOCKS = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
"""The light halves of a character, upper and lower."""


@pytest.fixture
def in_network(monkeypatch: pytest.MonkeyPatch) -> str:
    """Give this machine an address in a network."""
    monkeypatch.setattr(module, "network_address", lambda: "192.168.1.20")
    return "http://192.168.1.20:8000/"


def test_the_address_is_one_of_this_machine_in_a_network_or_there_is_none() -> None:
    found = network_address()
    if found is not None:
        assert not ipaddress.ip_address(found).is_loopback
        with socket.create_server((found, 0)):
            pass


def test_without_a_network_there_is_no_address_and_the_text_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(self: socket.socket, address: object) -> None:
        raise OSError(101, "Network is unreachable", (self, address))

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert network_address() is None
    assert phone_text(8000, with_code=True, with_token=False) == (
        "This machine has no address in a network. Connect it to that of the phone, and start again."
    )


def test_the_text_has_the_address_and_a_warning(in_network: str) -> None:
    assert phone_text(8000, with_code=False, with_token=False).splitlines() == [
        f"On a phone in the same network: {in_network}",
        WARNING,
    ]


def test_the_code_in_a_terminal_is_the_qr_code_of_the_address(in_network: str) -> None:
    first, *rows, last = phone_text(8000, with_code=True, with_token=False).splitlines()
    assert (in_network in first, last) == (
        True,
        WARNING,
    )
    assert set("".join(rows)) <= {*BLOCKS}
    light = [[BLOCKS[block][half] for block in row] for row in rows for half in (0, 1)]
    expected = [
        [1 - dark for dark in row] for row in segno.make(in_network, error="m", micro=False).matrix_iter(border=4)
    ]
    assert light[: len(expected)] == expected
    assert not re.search("\x1b", "".join(rows))


def test_with_a_token_only_those_who_have_it_can_use_the_service(in_network: str) -> None:
    text = phone_text(8000, with_code=False, with_token=True)
    assert text.splitlines()[1] == "Everyone in this network with the token can use the service."
    assert in_network in text

"""Rules for every test: no network, no GPU, no credentials and no caches of the person who runs them."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from tests.support.images import photo_like
from tests.support.schedule import group_by_file

LOOPBACK = ("127.", "::1", "localhost")
PROOF_WITHIN_S = 3600
"""After so long a proof hangs: the longest take three minutes, and may take ten times as long on a busy machine."""

settings.register_profile("petmood", deadline=None)  # how long an example takes says nothing about whether it is right
settings.load_profile("petmood")


def pytest_configure() -> None:
    """Handle signals that are ignored in a background job or under nohup; tests and their processes send them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) == signal.SIG_IGN:
        signal.signal(hang_up, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # xdist, too, looks at the groups while this hook is called
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give proofs their time limit, their order and their groups; leave tests of POSIX out on Windows."""
    for item in items:
        if item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX"))
        if item.get_closest_marker("proof"):
            item.add_marker(pytest.mark.timeout(PROOF_WITHIN_S))
    group_by_file(items)


@pytest.fixture(autouse=True)
def alone_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make every machine look offline and without a GPU, and keep caches out of the person's home folder."""
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def connect_on_loopback(self: socket.socket, address: Any) -> None:  # noqa: ANN401 - its shape depends on the family
        if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"tests need no network, but one tried to reach {address}")
        connect(self, address)

    def resolve_loopback(host: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function it stands for
        if host is not None and not str(host).startswith((*LOOPBACK, "0.0.0.0", "::")):  # noqa: S104 - nothing is bound here
            raise socket.gaierror(f"tests need no network, but one asked for {host}")
        return getaddrinfo(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", connect_on_loopback)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_loopback)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # as when activated
    caches = tmp_path_factory.getbasetemp() / "caches"
    for name in ("TORCH_HOME", "KAGGLEHUB_CACHE", "MPLCONFIGDIR"):
        folder = caches / name.lower()
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(folder))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def photo_pixels() -> NDArray[np.uint8]:
    """Return a photo-like picture, uint8 [240, 320, 3]; it can't be written into."""
    pixels = photo_like(320, 240)
    pixels.flags.writeable = False
    return pixels

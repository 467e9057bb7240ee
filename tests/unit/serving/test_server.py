"""Tests of the server's graceful shutdown, settings and memory."""

import asyncio
import ctypes
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from petmood.inference.fake import FakePredictor
from petmood.serving import server as server_module
from petmood.serving.app import create_app
from petmood.serving.drain import DrainState
from petmood.serving.server import DrainingServer, config_for, configure_malloc
from petmood.serving.settings import Settings
from tests.support.wire import connect, everything, running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, to be moved by hand."""
    now = [100.0]
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def made(**settings: Any) -> tuple[DrainingServer, DrainState]:  # noqa: ANN401 - any setting
    """Return a server that was not started."""
    chosen, drain = Settings(threads=1, **settings), DrainState()
    app = create_app(FakePredictor(), settings=chosen, drain=drain)
    return DrainingServer(config_for(app, chosen), drain=drain, settings=chosen), drain


async def ticks(server: DrainingServer) -> bool:
    """Return whether the server ends at its next look."""
    return await server.on_tick(1)


def test_a_signal_is_announced_first_and_followed_when_the_notice_is_over(clock: list[float]) -> None:
    server, drain = made(drain_notice_s=2)
    assert not asyncio.run(ticks(server))
    server.handle_exit(signal.SIGTERM, None)
    assert drain.begun
    assert not asyncio.run(ticks(server))
    clock[0] += 1.9
    assert not asyncio.run(ticks(server))
    clock[0] += 0.1
    assert asyncio.run(ticks(server))
    assert not server.force_exit


def test_a_second_signal_changes_nothing_but_a_second_ctrl_c_ends_at_once(clock: list[float]) -> None:
    server, _ = made(drain_notice_s=5)
    server.handle_exit(signal.SIGINT, None)
    clock[0] += 1
    server.handle_exit(signal.SIGTERM, None)
    steps = [(server.should_exit, server.force_exit)]
    server.handle_exit(signal.SIGINT, None)
    steps.append((server.should_exit, server.force_exit))
    assert steps == [(False, False), (True, True)]


def test_signals_are_given_back_and_not_raised_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    server, drain = made()
    with server.capture_signals():
        assert signal.getsignal(signal.SIGTERM) == server.handle_exit
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert drain.begun


@pytest.mark.parametrize(
    ("text", "trusted"), [("client-{}", "127.0.0.1"), ("{}" + "x" * 9000, "*"), ("6.6.6.{}, 10.0.0.1", "*")]
)
def test_no_forwarded_text_gets_around_the_rate(text: str, trusted: str) -> None:
    statuses = []
    with running(rate_per_minute=1, trusted_proxies=trusted) as port:
        for number in range(10):
            head = f"GET /model HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {text.format(number)}\r\n"
            with connect(port) as connection:
                connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
                statuses.append(everything(connection)[9:12])
    assert statuses == [b"200"] + [b"429"] * 9


def test_settings_reach_the_server() -> None:
    chosen = Settings(idle_timeout_s=3, drain_s=4, trusted_proxies="10.0.0.1")
    config = config_for(create_app(FakePredictor(), settings=chosen), chosen)
    assert (config.timeout_keep_alive, config.timeout_graceful_shutdown) == (3, 4)
    assert not config.proxy_headers, "uvicorn would take any text as an address"
    assert (config.forwarded_allow_ips, config.server_header, config.access_log) == ("10.0.0.1", False, False)


def test_the_memory_of_large_images_is_asked_back_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    library = SimpleNamespace(mallopt=lambda *wish: asked.append(wish))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    configure_malloc()
    assert asked == [(-3, 4_000_000)]


@pytest.mark.parametrize("library", [OSError("no such library"), SimpleNamespace()])
def test_elsewhere_there_is_nothing_to_ask(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - an error or a library
    def load(_: None) -> Any:  # noqa: ANN401 - a library
        if isinstance(library, OSError):
            raise library
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    configure_malloc()


def test_signals_go_to_the_main_thread_alone() -> None:
    server, _ = made()
    found = []

    def elsewhere() -> None:
        with server.capture_signals():
            found.append(signal.getsignal(signal.SIGTERM) == server.handle_exit)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [False]

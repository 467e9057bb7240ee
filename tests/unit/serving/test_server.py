"""Does a signal end the server in steps, and is a taken address told in one line?"""

import asyncio
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from petmood.core.errors import ConfigError
from petmood.inference.fake import FakePredictor
from petmood.serving import server as server_module
from petmood.serving.app import create_app
from petmood.serving.drain import Drain
from petmood.serving.server import DrainingServer, bind, config_for
from petmood.serving.settings import Settings

__all__: list[str] = []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, to be moved by hand."""
    now = [100.0]
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def made(**settings: Any) -> tuple[DrainingServer, Drain]:  # noqa: ANN401 - any setting
    """Return a server that was not started."""
    chosen, drain = Settings(threads=1, **settings), Drain()
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


def test_a_free_port_is_found_and_a_taken_one_is_told() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"Can't listen on 127\.0\.0\.1:{port} \(.+\)\. Give another --port or --host\."
        ):
            bind("127.0.0.1", port)


def test_settings_reach_the_server() -> None:
    chosen = Settings(idle_timeout_s=3, drain_s=4, trusted_proxies="10.0.0.1")
    config = config_for(create_app(FakePredictor(), settings=chosen), chosen)
    assert (config.timeout_keep_alive, config.timeout_graceful_shutdown) == (3, 4)
    assert (config.forwarded_allow_ips, config.server_header, config.access_log) == ("10.0.0.1", False, False)

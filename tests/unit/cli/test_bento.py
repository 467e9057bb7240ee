"""BentoML commands: the optional word `serve`, and one-line rejection of invalid options."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from petmood.serving.integrations.bentoml import build
from petmood.serving.integrations.bentoml.build import Built
from petmood.serving.integrations.bentoml.cli_args import ServeOptions
from tests.unit.cli.conftest import Done


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Return the programs that were started in this process's place: their words and environments."""
    seen: list[tuple[list[str], dict[str, str]]] = []

    def execve(_: str, words: list[str], env: dict[str, str]) -> None:
        seen.append((words, env))

    monkeypatch.setattr(os, "execve", execve)
    return seen


@pytest.fixture
def free_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port on which somebody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("verb", [[], ["serve"]], ids=["no word", "serve"])
def test_a_bundle_is_handed_to_bentoml(
    petmood: Callable[..., Done], small_bundle: Path, started: list[Any], free_port: int, verb: list[str]
) -> None:
    done = petmood("bento", *verb, small_bundle, "--port", free_port, "--max-batch", 8)
    assert done.code == 0
    assert f"http://127.0.0.1:{free_port}" in done.err
    ((words, env),) = started
    assert {"bentoml", "serve", str(free_port), "max_batch=8"} <= set(words)
    assert env["PETMOOD_BUNDLE"] == str(small_bundle)
    assert env["BENTOML_DO_NOT_TRACK"] == "True"


def test_options_may_come_before_the_bundle(
    petmood: Callable[..., Done], small_bundle: Path, started: list[Any], free_port: int
) -> None:
    assert petmood("bento", "--port", free_port, "--host", "localhost", small_bundle).code == 0
    assert "127.0.0.1" in started[0][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "No bundle at nowhere: the folder does not exist."),
        (["nowhere", "--host", "example.org"], "expected an IP address"),
        (["nowhere", "--max-batch", "0"], "--max-batch"),
        (["build", "nowhere"], "No bundle at nowhere: the folder does not exist."),
    ],
)
def test_what_can_t_be_is_refused_before_bentoml_is_started(
    petmood: Callable[..., Done], started: list[Any], free_port: int, words: list[str], told: str
) -> None:
    port = [] if words[0] == "build" else ["--port", free_port]
    done = petmood("bento", *words, *port)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err
    assert started == []


def test_a_port_that_is_taken_is_refused_in_one_line(
    petmood: Callable[..., Done], small_bundle: Path, started: list[Any], taken_port: int
) -> None:
    done = petmood("bento", small_bundle, "--port", taken_port)
    assert done.code == 2
    assert str(taken_port) in done.err
    assert done.err.count("\n") == 1
    assert started == []


def test_a_bento_is_named_with_what_to_type_next(
    petmood: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ServeOptions | None] = []

    def build_bento(_: Path, *, to: Path | None = None, start: ServeOptions | None = None) -> Built:
        asked.append(start)
        return Built("petmood:v1", to)

    monkeypatch.setattr(build, "build_bento", build_bento)
    stored = petmood("bento", "build", "x", "--max-batch", 4)
    assert "bentoml serve petmood:v1" in stored.out
    assert "bentoml containerize petmood:v1" in stored.out
    assert asked == [ServeOptions(max_batch=4)]
    put = petmood("bento", "build", "x", "--output", tmp_path / "b")
    assert f"bentoml serve {tmp_path / 'b'}" in put.out
    assert "containerize" not in put.out


def test_help_shows_both_verbs(petmood: Callable[..., Done]) -> None:
    text = petmood("bento", "--help").out
    assert text.startswith("Usage: petmood bento")
    assert "build" in text

"""Fixtures for tests of commands: a dataset, a run, a bundle and a command runner."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from petmood.cli import progress
from petmood.cli.app import main
from petmood.configs.load import compose
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.small_sets import SMALL, write_small_set


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def petmood(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """Return a function that runs a command in this process, as the shell would see it.

    It shows no progress: on a busy machine any command takes long enough for a line.
    """
    monkeypatch.setattr(progress, "BETWEEN_LINES_S", float("inf"))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()

    def run(*arguments: object) -> Done:
        root.handlers.clear()
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capfd.readouterr()
        return Done(code if isinstance(code, int) else 0, printed.out, printed.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of 32 + 16 + 16 striped pictures."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "stripes")


@pytest.fixture(scope="session")
def small_run(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a finished run with its numbers."""
    runs = tmp_path_factory.mktemp("runs")
    run = train(compose([*SMALL, f"data={small_set}", f"run.folder={runs}", "name=first", "epochs=6"]))
    evaluate_run(run)
    return run


@pytest.fixture(scope="session")
def small_bundle(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run's bundle."""
    return export_run(small_run, to=tmp_path_factory.mktemp("bundles") / "first").folder

"""Tracking commands: MLflow's page, sync of pending entries, and one-line errors."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from petmood.core.listening import bind
from petmood.pipelines.run_folder import RunFolder
from tests.support.ports import free_port
from tests.support.registries import empty_mlflow_store
from tests.support.tracked_runs import tracked_copy
from tests.support.waiting import wait_until

Petmood = Callable[..., Any]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, without the address of whoever runs the tests."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.spawns
def test_every_tracked_run_is_sent_and_then_nothing_is_missing(petmood: Petmood, small_run: RunFolder) -> None:
    tracked_copy(small_run, Path("runs/a"))
    tracked_copy(small_run, Path("runs/sweeps/b"))
    shutil.copyfile(empty_mlflow_store(), "mlflow.db")
    done = petmood("track", "sync")
    assert (done.code, done.err) == (0, "")
    (first, count), (second, same) = (line.split(": ") for line in done.out.splitlines())
    assert (first, second, count) == ("runs/a", "runs/sweeps/b", same)
    assert petmood("track", "sync", "runs/a").out == "runs/a: 0 sent\n"
    shutil.copyfile(empty_mlflow_store(), "mlflow.db")  # a tracker that lost its memory
    assert petmood("track", "sync", "runs/a").out == f"runs/a: {count}\n"


@pytest.mark.spawns
def test_a_tracker_that_is_away_is_code_2_and_one_line_and_the_others_are_sent_all_the_same(
    petmood: Petmood, small_run: RunFolder
) -> None:
    tracked_copy(small_run, Path("runs/a"), uri="http://127.0.0.1:9")
    tracked_copy(small_run, Path("runs/b"))
    for name in ("mlflow.db", "elsewhere.db"):
        shutil.copyfile(empty_mlflow_store(), name)
    done = petmood("track", "sync")
    assert done.code == 2
    (sent,) = done.out.splitlines()
    assert sent.startswith("runs/b: ")
    assert done.err.startswith(
        "petmood: runs/a: MLflow at http://127.0.0.1:9 can't be reached, or rejected the request: "
    )
    assert done.err.count("\n") == 1
    other = petmood("track", "sync", "runs/a", "--uri", "sqlite:///elsewhere.db")
    assert other.out == sent.replace("runs/b", "runs/a") + "\n"
    with closing(sqlite3.connect("elsewhere.db")) as elsewhere:
        assert elsewhere.execute("SELECT count(*) FROM metrics WHERE key = 'val/loss'").fetchone() == (6,)


def test_a_setting_with_a_password_in_it_is_refused_without_repeating_it(petmood: Petmood) -> None:
    done = petmood("train", "data=nowhere", "tracker.uri='http://me:secret@tracker'")
    assert done.code == 2
    assert done.err.startswith("petmood: tracker.uri: Expected a tracker URI without user name and password, ")
    assert "secret" not in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sync"], "No tracked run in runs. Train one with tracker=mlflow"),
        (["sync", "runs/none"], "runs/none is not a tracked run. Train with tracker=mlflow"),
        (["sync", "--uri", "http://me:secret@tracker"], "Expected a tracker URI without user name and password"),
        (["ui"], "No mlflow.db in "),
        (["ui", "--uri", "http://me:secret@tracker"], "Expected a tracker URI without user name and password"),
    ],
)
def test_what_is_missing_or_refused_is_one_line_and_code_2(petmood: Petmood, words: list[str], said: str) -> None:
    done = petmood("track", *words)
    assert done.code == 2
    assert said in done.err
    assert "secret" not in done.err
    assert done.err.count("\n") == 1


def test_a_taken_port_is_refused_before_the_address_is_announced(
    petmood: Petmood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("MLflow was started"))
    Path("mlflow.db").touch()
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = petmood("track", "ui", "--port", port)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"petmood: Can't listen on 127.0.0.1:{port} (Address already in use). Choose another port with --port.\n"
    )


@pytest.mark.posix
@pytest.mark.proof
@pytest.mark.spawns
def test_the_page_of_mlflow_shows_the_runs_and_their_files(
    petmood: Petmood, small_run: RunFolder, tmp_path: Path
) -> None:
    run = tracked_copy(small_run, Path("runs/a"))
    petmood("track", "sync")
    port = free_port()
    command = [sys.executable, "-m", "petmood", "track", "ui", "--port", str(port)]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, text=True, start_new_session=True, **pipes) as page:  # type: ignore[call-overload]  # a mixed dict
        try:
            assert page.stderr.readline() == f"MLflow shows sqlite:///{tmp_path}/mlflow.db at http://127.0.0.1:{port}\n"
            assert b"<title>MLflow</title>" in fetched(f"http://127.0.0.1:{port}/")
            found = json.loads(
                fetched(f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]})
            )
            (shown,) = found["runs"]
            place = f"get-artifact?path=metrics.csv&run_uuid={shown['info']['run_id']}"
            assert fetched(f"http://127.0.0.1:{port}/{place}") == run.metrics_csv.read_bytes()
        finally:
            os.killpg(page.pid, signal.SIGKILL)


def fetched(url: str, body: dict[str, Any] | None = None) -> bytes:
    """Return what a server answers, waiting until it is there."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - our own address

    def answer() -> tuple[bytes, ...]:
        try:
            with urllib.request.urlopen(request, timeout=60) as got:  # noqa: S310 - our own address
                return (bytes(got.read()),)
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, OSError):
            return ()

    (found,) = wait_until(answer, within_s=600, every_s=0.2, what=f"an answer of {url}")
    return found

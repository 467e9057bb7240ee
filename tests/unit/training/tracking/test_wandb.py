"""Offline file of W&B with every entry once, and no prompt for or storage of an API key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from petmood.training.tracking.base import ParentRun, RunContent
from petmood.training.tracking.state import TrackerSettings
from petmood.training.tracking.wandb import STEP, WandbTracker
from tests.support.wandb_files import records_of, settings_in, steps_in, summary_in

pytestmark = pytest.mark.spawns


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove every key of W&B from the environment, and use an empty home folder."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB__SERVICE_WAIT", "600")  # W&B's process may start slowly
    monkeypatch.setenv("WANDB_DATA_DIR", "put back afterwards")


def written(folder: Path) -> list[Any]:
    """Return the records of the one file that W&B left."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return records_of(path)


def send(folder: Path, content: RunContent) -> WandbTracker:
    """Write a run in a session of its own."""
    tracker = WandbTracker(TrackerSettings(kind="wandb"), folder)
    assert tracker.write(content, live=True) == 0
    assert tracker.write(content) > 0
    tracker.close()
    return tracker


def test_without_a_key_all_is_written_offline_and_reads_back_equal(
    folder: Path, content: RunContent, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = send(folder, content)
    records = written(folder)
    expected = {
        "seed": 7,
        "recipe.l2_strengths": [0.1, 1.0],
        "model.backbone": "tiny",
        "none": None,
        "data_hash": "abc",
        "dataset": {"name": "pets", "digest": "abc", "source": "data/pets"},
    }
    assert settings_in(records) == expected
    rows = [(row[STEP], json.dumps(row["loss"])) for row in steps_in(records)]
    assert rows == [(0, "1"), (1, "0.5"), (2, "NaN"), (3, "0.25"), (4, "0.2")]
    assert summary_in(records)["test/accuracy"] == 0.5
    assert next(record.run.run_id for record in records if record.HasField("run")) == content.run_id
    assert [record.artifact.name for record in records if record.HasField("artifact")] == ["bundle"]
    (kept,) = folder.glob("wandb/offline-run-*/files/reports/report.html")
    assert kept.read_text() == "a report"
    assert tracker.note.startswith("The W&B run was written offline. Upload it with: wandb sync ")
    assert Path(tracker.note.rpartition(" ")[2]).is_dir()
    assert capfd.readouterr().out == ""


def children() -> set[str]:
    """Return the processes that this one has started and that still run."""
    return {pid for tasks in Path("/proc/self/task").glob("*/children") for pid in tasks.read_text().split()}


def test_w_and_b_s_own_process_has_ended_when_close_returns(folder: Path, content: RunContent) -> None:
    """While it ran, the file was at times still empty, in one of twelve runs."""
    before = children()
    tracker = WandbTracker(TrackerSettings(kind="wandb"), folder)
    tracker.write(content)
    assert children() > before
    tracker.close()
    assert children() == before


@pytest.mark.proof
def test_all_is_on_the_disk_whenever_close_returns(folder: Path, content: RunContent) -> None:
    for _ in range(40):
        send(folder, content)
        assert len(steps_in(written(folder))) == 5


def test_a_later_session_writes_everything_anew_and_leaves_one_file(folder: Path, content: RunContent) -> None:
    send(folder, replace(content, epochs=content.epochs[:2]))
    send(folder, content)
    assert [row[STEP] for row in steps_in(written(folder))] == [0, 1, 2, 3, 4]
    assert len(list((folder / "wandb/data").rglob("tmp*"))) == 1


def test_trials_of_a_sweep_are_a_group_and_the_sweep_is_no_run_of_its_own(folder: Path, content: RunContent) -> None:
    assert WandbTracker(TrackerSettings(kind="wandb"), folder).write(replace(content, is_sweep=True)) == 0
    send(folder, replace(content, parent=ParentRun(folder.parent, "f" * 32, "first", 500)))
    assert next(record.run.run_group for record in written(folder) if record.HasField("run")) == "first"


def test_a_key_is_not_written_down(folder: Path, content: RunContent, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "f00d" * 10
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("WANDB_MODE", "offline")
    send(folder, content)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert [path for path in files if key.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("mode", "environment", "offline"),
    [
        ("auto", {}, True),
        ("auto", {"WANDB_API_KEY": "x" * 40}, False),
        ("auto", {"WANDB_API_KEY": "x" * 40, "WANDB_MODE": "offline"}, True),
        ("online", {"WANDB_MODE": "offline"}, False),
        ("offline", {"WANDB_API_KEY": "x" * 40}, True),
    ],
)
def test_a_key_means_online_unless_set_otherwise(
    mode: str, environment: dict[str, str], offline: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = TrackerSettings.model_validate({"kind": "wandb", "mode": mode})
    assert WandbTracker(spec, folder)._is_offline() is offline


@pytest.mark.posix
def test_a_key_in_netrc_means_online_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {'x' * 40}\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert not WandbTracker(TrackerSettings(kind="wandb"), folder)._is_offline()


@pytest.mark.posix
def test_a_key_of_the_public_service_is_none_for_a_private_server(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {'x' * 40}\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.example:8080")
    assert WandbTracker(TrackerSettings(kind="wandb"), folder)._is_offline()

"""Archives of runs and bundles in a store: what a killed job leaves, and what the next start makes of it."""

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from petmood.cloud.job_storage import (
    ARCHIVE,
    RunMirror,
    archive_runs,
    mirrored,
    open_store,
    publish_bundle,
    restore_runs,
)
from petmood.core.bundle import verify, write
from petmood.core.bundle_files import MANIFEST, OTHER_BYTES
from petmood.core.errors import CloudError
from petmood.registry.folder import FolderStore
from tests.support.bundles import demo_files, demo_manifest
from tests.support.registries import gcs_server
from tests.support.waiting import wait_until


class FullStore(FolderStore):
    """A folder whose disk is full after so many files."""

    def __init__(self, folder: Path, *, files: int) -> None:
        super().__init__(folder)
        self.left = files

    def replace(self, key: str, data: bytes) -> None:
        """Store bytes, while there is room."""
        if self.left == 0:
            raise OSError("No space left on device")
        self.left -= 1
        super().replace(key, data)


def write_run(runs: Path, *, epoch: int) -> Path:
    """Write files of a run as they are after an epoch, with a lock and a partial file beside them."""
    run = runs / "demo-0123abcd"
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text(f'{{"epoch": {epoch}}}')
    (run / "checkpoints/last.ckpt").write_text(f"last {epoch}")
    (run / "checkpoints/best.ckpt").write_text(f"best {epoch}")
    (run / "metrics.csv").write_text("epoch,train/loss\n" + "".join(f"{at},1.0\n" for at in range(epoch + 1)))
    (runs / ".demo-0123abcd.petmood-lock").touch()
    (run / "checkpoints/.last.ckpt.1.partial").write_text("half")
    return run


def texts(folder: Path) -> dict[str, str]:
    """Return the files below a folder with their texts."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_an_archive_has_whole_files_alone_and_metadata_and_checkpoints_first(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", epoch=2)
    data = archive_runs(tmp_path / "runs")
    assert data is not None
    (tmp_path / ARCHIVE).write_bytes(data)
    with tarfile.open(tmp_path / ARCHIVE) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert names == ["run.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "metrics.csv"]


@pytest.mark.parametrize("made", [False, True])
def test_without_a_run_there_is_no_archive(tmp_path: Path, *, made: bool) -> None:
    if made:
        (tmp_path / "runs").mkdir()
    assert archive_runs(tmp_path / "runs") is None


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_new_machine_gets_the_runs_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    run = write_run(tmp_path / "runs", epoch=2)
    before = {name: text for name, text in texts(run).items() if not name.rpartition("/")[2].startswith(".")}
    with gcs_server(monkeypatch) as bucket:
        store = open_store(f"{bucket}/jobs/1/checkpoints" if kind == "bucket" else str(tmp_path / "there"))
        RunMirror(tmp_path / "runs", store).update()
        shutil.rmtree(tmp_path / "runs")
        assert restore_runs(store, tmp_path / "runs")
        assert texts(run) == before
        write_run(tmp_path / "runs", epoch=3)
        assert not restore_runs(store, tmp_path / "runs"), "what is there is newer"
        assert "last 3" in texts(run).values()


def test_a_first_start_finds_nothing(tmp_path: Path) -> None:
    assert not restore_runs(open_store(str(tmp_path / "there")), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "there"))
    store.replace(ARCHIVE, b"no archive" * 1000)
    with pytest.raises(CloudError, match=r"runs\.tar is damaged .* Delete it to train from the start"):
        restore_runs(store, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_archive_can_t_write_outside_its_folder(tmp_path: Path) -> None:
    store, outside = open_store(str(tmp_path / "there")), tmp_path / "outside"
    outside.write_text("x")
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.add(outside, arcname="../outside-2")
    store.replace(ARCHIVE, (tmp_path / "made.tar").read_bytes())
    with pytest.raises(CloudError, match="is damaged"):
        restore_runs(store, tmp_path / "runs")
    assert not (tmp_path / "outside-2").exists()


def test_runs_are_sent_while_they_change_and_once_more_at_the_end(tmp_path: Path) -> None:
    store, runs = open_store(str(tmp_path / "there")), tmp_path / "runs"

    def sent() -> bytes:
        return store.read(ARCHIVE, max_bytes=OTHER_BYTES) or b""

    with mirrored(RunMirror(runs, store, curves=open_store(str(tmp_path / "curves"))), every_s=0.01):
        write_run(runs, epoch=1)
        wait_until(lambda: b"last 1" in sent())
        write_run(runs, epoch=2)
        wait_until(lambda: b"last 2" in sent())
        write_run(runs, epoch=3)
    assert b"last 3" in sent()
    assert (tmp_path / "curves/demo-0123abcd/events.out.tfevents.petmood").stat().st_size > 0


def test_unchanged_runs_are_not_sent_again(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", epoch=1)
    store = FullStore(tmp_path / "there", files=1)
    mirror = RunMirror(tmp_path / "runs", store)
    mirror.update()
    mirror.update()
    write_run(tmp_path / "runs", epoch=20)
    with pytest.raises(OSError, match="No space"):
        mirror.update()


def test_a_store_that_fails_for_a_time_ends_no_training(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", epoch=1)
    store = FullStore(tmp_path / "there", files=0)
    with mirrored(RunMirror(tmp_path / "runs", store), every_s=0.01):
        store.left = 5
    assert store.read(ARCHIVE) is not None
    with pytest.raises(OSError, match="No space"), mirrored(RunMirror(tmp_path / "runs", FullStore(tmp_path, files=0))):
        pass


def write_bundle(folder: Path, *, run: str) -> Path:
    """Write a bundle of a run."""
    return write(folder, demo_manifest(metrics={"run": run, "weights": f"weights of {run}"}), demo_files()).folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle."""
    return write_bundle(tmp_path / "bundle", run="demo-0123abcd")


def names(folder: Path) -> Sequence[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_bundle_is_published_once(tmp_path: Path, bundle: Path) -> None:
    store = open_store(str(tmp_path / "model"))
    assert publish_bundle(store, bundle)
    assert verify(tmp_path / "model").sha256 == verify(bundle).sha256
    assert not publish_bundle(store, bundle)


def test_a_job_that_ends_while_it_publishes_leaves_no_manifest_and_is_completed(tmp_path: Path, bundle: Path) -> None:
    whole = len(names(bundle))
    for files in range(whole):
        store = FullStore(tmp_path / "model", files=files)
        with pytest.raises(OSError, match="No space"):
            publish_bundle(store, bundle)
        assert MANIFEST not in names(tmp_path / "model")
    assert publish_bundle(open_store(str(tmp_path / "model")), bundle)
    verify(tmp_path / "model")


def test_the_bundle_of_another_run_is_not_replaced(tmp_path: Path, bundle: Path) -> None:
    other = write_bundle(tmp_path / "other", run="other-0123abcd")
    store = open_store(str(tmp_path / "model"))
    publish_bundle(store, other)
    with pytest.raises(CloudError, match="has the bundle of another run"):
        publish_bundle(store, bundle)
    assert verify(tmp_path / "model").sha256 == verify(other).sha256

"""A training job of Vertex AI played on this machine: started, killed, started on a new disk, and its bundle found."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from petmood.cloud.job_storage import ARCHIVE
from petmood.core.bundle import verify
from tests.support.e2e_servers import PROGRAMS, running, server_environment
from tests.support.small_sets import SMALL, write_small_set
from tests.support.waiting import wait_until

BUCKET = "jobs"
EPOCHS = 150
ONE_MACHINE = (
    '{"cluster": {"workerpool0": ["training-workerpool0-0:2222"]}, "task": {"type": "workerpool0", "index": 0}}'
)


@dataclass(frozen=True, slots=True)
class VertexRunner:
    """Plays Vertex AI: a container's environment, a fresh disk at each start, and a bucket that outlives it."""

    home: Path
    data: Path
    bucket: httpx.Client

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        """Start the container's command of a job on an empty disk."""
        disk = self.home / "disk"
        shutil.rmtree(disk, ignore_errors=True)
        words = [sys.executable, "-m", "petmood", "cloud", "run-job", "--work", str(disk)]
        words += [*SMALL, f"data={self.data}", f"epochs={EPOCHS}"]
        folder = f"gs://{BUCKET}/{name}"
        environment = server_environment(self.home) | {
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "STORAGE_EMULATOR_HOST": str(self.bucket.base_url).rstrip("/"),
            "GOOGLE_CLOUD_PROJECT": "petmood-tests",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "AIP_MODEL_DIR": f"{folder}/model/",
            "AIP_CHECKPOINT_DIR": f"{folder}/checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": f"{folder}/logs/",
            "CLUSTER_SPEC": ONE_MACHINE,
        }
        with (self.home / f"{name}.log").open("ab") as said:
            return subprocess.Popen(words, cwd=self.home, env=environment, stdout=said, stderr=subprocess.STDOUT)

    def names(self, name: str) -> list[str]:
        """Return the objects of a job."""
        said = self.bucket.get(f"/storage/v1/b/{BUCKET}/o", params={"prefix": f"{name}/"}).raise_for_status().json()
        return sorted(one["name"].removeprefix(f"{name}/") for one in said.get("items", []))

    def read(self, name: str) -> bytes | None:
        """Return an object; None if there is none."""
        said = self.bucket.get(f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}", params={"alt": "media"})
        return None if said.status_code == httpx.codes.NOT_FOUND else said.raise_for_status().content

    def archived(self, name: str, ending: str) -> bytes | None:
        """Return the file of the archived run whose path ends so; None while there is none."""
        data = self.read(f"{name}/checkpoints/{ARCHIVE}")
        if data is None:
            return None
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = [one for one in archive.getmembers() if one.name.endswith(ending)]
            file = archive.extractfile(found[0]) if found else None
            return None if file is None else file.read()

    def log(self, name: str) -> str:
        """Return what the containers of a job printed."""
        return (self.home / f"{name}.log").read_text("utf-8", "replace")


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[VertexRunner]:
    """Return a runner with a bucket that is a server of its own."""
    data = write_small_set(tmp_path / "data" / "pets")
    home = tmp_path / "home"
    start = ["--data-dir", str(tmp_path / "buckets"), "start", "--host", "127.0.0.1", "--port", "{port}", "--quiet"]
    command = [str(PROGRAMS / "gcp-storage-emulator"), *start, "--default-bucket", BUCKET]
    with running(command, home=home, ready="/") as client:
        yield VertexRunner(home, data, client)


def epochs_of(table: bytes | None) -> list[int]:
    """Return the epochs in a table of curves."""
    return [int(row["epoch"]) for row in csv.DictReader((table or b"").decode().splitlines())]


@pytest.mark.posix
@pytest.mark.proof
def test_a_job_that_is_killed_resumes_on_a_new_disk_and_leaves_its_bundle_once(
    vertex: VertexRunner, tmp_path: Path
) -> None:
    first = vertex.start("killed")
    try:
        wait_until(
            lambda: vertex.archived("killed", "/last.ckpt") or first.poll() is not None,
            within_s=1500,
            every_s=0.2,
            what="a checkpoint in the bucket",
        )
    finally:
        first.kill()
    assert first.wait() == -signal.SIGKILL, vertex.log("killed")
    reached = epochs_of(vertex.archived("killed", "/metrics.csv"))
    assert 0 < len(reached) < EPOCHS
    assert not [one for one in vertex.names("killed") if one.startswith("model/")]

    assert vertex.start("killed").wait(1500) == 0, vertex.log("killed")
    assert "Resuming: the runs were restored" in vertex.log("killed")
    assert vertex.start("whole").wait(1500) == 0, vertex.log("whole")
    tables = [vertex.archived(name, "/metrics.csv") for name in ("killed", "whole")]
    assert epochs_of(tables[0]) == list(range(EPOCHS))
    assert tables[0] == tables[1]
    weights = [vertex.archived(name, "/model.safetensors") for name in ("killed", "whole")]
    assert weights[0] == weights[1], "the kill changed the weights"

    fetched = tmp_path / "fetched"
    fetched.mkdir()
    objects = [one for one in vertex.names("killed") if one.startswith("model/")]
    for one in objects:
        (fetched / one.removeprefix("model/")).write_bytes(vertex.read(f"killed/{one}") or b"")
    verify(fetched)
    assert any(one.startswith("logs/") and "tfevents" in one for one in vertex.names("killed"))

    before = {one: vertex.read(f"killed/{one}") for one in objects}
    assert vertex.start("killed").wait(1500) == 0, vertex.log("killed")
    assert "(it was there already)" in vertex.log("killed")
    assert {one: vertex.read(f"killed/{one}") for one in objects} == before

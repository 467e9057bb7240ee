"""Start-up script of Compute Engine: run by bash beside a metadata server, with a program in the place of docker."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from petmood.cloud.vertex_environment import CHECKPOINTS, LOGS, MODEL, read_job_environment
from tests.support.e2e_servers import PROGRAMS
from tests.support.local_server import served_by
from tests.support.source_tree import ROOT

SCRIPT = ROOT / "deploy/gcp/startup.sh"
PLACE = "/computeMetadata/v1/instance/attributes/"
GIVEN = {
    "petmood-image": "us-central1-docker.pkg.dev/pets-12345/petmood/train:v1",
    "petmood-output": "gs://photos/jobs/first",
    "petmood-overrides": "recipe=finetune epochs=3",
    "petmood-free-gb": "0",
}
RECORD = '#!/usr/bin/env bash\nprintf "%s\\n" "$(basename "$0") $*" >>"$PETMOOD_CALLS"\n'


@contextmanager
def metadata_server(values: dict[str, str]) -> Iterator[str]:
    """Run a metadata server as a machine of Compute Engine has one; yield its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = values.get(self.path.removeprefix(PLACE))
            is_known = value is not None and self.headers.get("Metadata-Flavor") == "Google"
            self.send_response(200 if is_known else 404)
            self.end_headers()
            self.wfile.write((value or "").encode() if is_known else b"")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with served_by(Handler) as host:
        yield host


def run(folder: Path, **changed: str | None) -> tuple[int, str, list[str]]:
    """Run the script; return its exit code, what it printed and the programs that it started."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("docker", "docker-credential-gcr", "shutdown"):
        (programs / name).write_text(RECORD)
        (programs / name).chmod(0o755)
    values = GIVEN | {name.replace("_", "-"): value for name, value in changed.items() if value is not None}
    values = {name: value for name, value in values.items() if changed.get(name.replace("-", "_"), "") is not None}
    with metadata_server(values) as host:
        environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "GCE_METADATA_HOST": host,
            "PETMOOD_HOME": str(folder / "home"),
            "PETMOOD_DISK": str(folder / "disk"),
            "PETMOOD_CALLS": str(folder / "calls"),
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    calls = folder / "calls"
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines() if calls.exists() else []


def test_shellcheck_has_nothing_to_say() -> None:
    subprocess.run([str(PROGRAMS / "shellcheck"), str(SCRIPT)], check=True, capture_output=True, text=True)


def test_nothing_is_started_on_a_disk_that_is_too_small(tmp_path: Path) -> None:
    code, said, calls = run(tmp_path, petmood_free_gb="99999")
    assert (code, calls) == (1, [])
    assert "Expected 99999 GB free on the disk of" in said
    assert "Nothing was started" in said
    assert "gcloud compute disks resize" in said


def test_the_container_gets_what_vertex_ai_would_give_it(tmp_path: Path) -> None:
    code, said, calls = run(tmp_path)
    assert code == 0, said
    names = [call.split()[0] for call in calls]
    assert names == ["docker-credential-gcr", "docker", "docker", "docker", "shutdown"]
    started = calls[3].split()
    assert started[-4:] == ["cloud", "run-job", "recipe=finetune", "epochs=3"]
    given = dict(word.split("=", 1) for flag, word in itertools.pairwise(started) if flag == "--env")
    assert set(given) == {MODEL, CHECKPOINTS, LOGS}
    assert read_job_environment(given).checkpoints == "gs://photos/jobs/first/checkpoints"


def test_settings_and_the_size_may_be_left_out(tmp_path: Path) -> None:
    code, said, calls = run(tmp_path, petmood_overrides=None, petmood_free_gb="1")
    assert code == 0, said
    assert calls[3].endswith(" cloud run-job")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"petmood_image": None}, "Expected the metadata petmood-image, got none"),
        ({"petmood_output": "photos"}, "Expected gs://BUCKET/PATH in petmood-output, got 'photos'"),
        ({"petmood_free_gb": "much"}, "Expected a number of GB in petmood-free-gb, got 'much'"),
    ],
)
def test_wrong_metadata_is_one_line_and_starts_nothing(
    tmp_path: Path, changed: dict[str, str | None], told: str
) -> None:
    code, said, calls = run(tmp_path, **changed)
    assert (code, calls) == (1, [])
    assert told in said
    assert said.count("\n") == 1

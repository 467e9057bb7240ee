"""Requests to a running image at its documented port, from its start to its end.

unshare --net python -m tests.support.containers.probes NAME ROOT CONFIG BUNDLE PHOTO STATE
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.containers.buildah import ImageConfig
from tests.support.containers.contents import USER
from tests.support.containers.running import Container, Mount, running, wait_for_health

LOG_FILE: Final = "petmood.db"
DATABASE: Final = {"PETMOOD_PREDICTION_LOG": f"sqlite:////var/lib/petmood/{LOG_FILE}"}


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of a running image."""

    name: str
    root: Path
    config: ImageConfig
    bundle: Path
    photo: Path
    state: Path

    def run(self) -> dict[str, Any]:
        """Start the image, wait for its health check, ask, stop it, and return what was seen.

        Raises:
            AssertionError: an answer is not the expected one.
            RuntimeError: it didn't start, or didn't become healthy.
        """
        logs = self.name in {"serve", "bento", "monitor"}
        mounts = [Mount(self.bundle, "/bundle")]
        mounts += [Mount(self.state, "/var/lib/petmood", read_only=False)] if logs else []
        log = self.state.parent / f"{self.name}.log"
        environment = DATABASE if logs else {}
        with running(self.root, self.config, log=log, mounts=mounts, environment=environment) as container:
            if not self.config.ports:
                return {"exit": container.process.wait(120), "said": container.tail()[:60]}
            healthy_s = wait_for_health(container)
            check_confinement(container, writes=["/tmp", "/var/lib/petmood"] if logs else ["/tmp"])  # noqa: S108 - a tmpfs
            (port,) = self.config.ports
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
                said = ASKED[self.name](client, self.photo)
            began = time.monotonic()
            code = container.stop()
            return {
                "healthy_s": round(healthy_s, 1),
                "said": said,
                "exit": code,
                "end_s": round(time.monotonic() - began, 1),
            }


def check_confinement(container: Container, *, writes: Sequence[str]) -> None:
    """Check that the process has its numeric user and no capability, and that it can write into its folders alone.

    Raises:
        AssertionError: it has another user, or more or fewer rights.
    """
    status = Path(f"/proc/{container.pid}/status").read_text().splitlines()
    users = next(line for line in status if line.startswith("Uid:")).split()[1:]
    assert set(users) == {str(USER)}, f"user {users}"
    capabilities = next(line for line in status if line.startswith("CapEff:")).split()[1]
    assert int(capabilities, 16) == 0, f"capabilities {capabilities}"
    for folder in ("/", "/opt/petmood", "/etc", "/bundle", *writes):
        done = container.exec("/bin/sh", "-c", f": > {folder}/.probe && rm {folder}/.probe")
        assert (done.returncode == 0) == (folder in writes), f"{folder}: {done.stderr or 'is writable'}"


def ask_api(client: httpx.Client, photo: Path) -> str:
    """Predict a photo."""
    answer = client.post("/predict", files={"photo": photo.read_bytes()})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert abs(sum(body["probabilities"].values()) - 1) < 0.02, body
    return f"{photo.name}: {body['label'] or body.get('domain_warning')}, {body['probability']:.0%}"


def ask_page(client: httpx.Client, photo: Path) -> str:
    """Load the page."""
    del photo
    answer = client.get("/")
    assert answer.status_code == 200, answer.text
    assert "streamlit" in answer.text.lower()
    return "the page is loaded"


def ask_monitor(client: httpx.Client, photo: Path) -> str:
    """Read the drift of the log."""
    del photo
    answer = client.get("/drift")
    assert answer.status_code == 200, answer.text
    assert client.get("/metrics").status_code == 200
    return f"/drift: {answer.text[:60]}"


ASKED: Final[Mapping[str, Callable[[httpx.Client, Path], str]]] = {
    "serve": ask_api,
    "bento": ask_api,
    "page": ask_page,
    "monitor": ask_monitor,
}


def main(name: str, *paths: str) -> int:
    """Run one probe and print what was seen as JSON."""
    root, config, bundle, photo, state = map(Path, paths)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    read = ImageConfig.from_json(json.loads(config.read_text("utf-8")))
    seen = Probe(name, root, read, bundle, photo, state).run()
    sys.stdout.write(json.dumps(seen) + "\n")
    return 0 if seen["exit"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Drift of a real service's photos, found by a real `petmood monitor serve` beside it: dark, killed, back, bright."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.bundle import Bundle
from tests.support.drifting import dark
from tests.support.images import faces, png
from tests.support.networks import tiny_bundle
from tests.support.served import Served, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns]
START_S = 300


@dataclass(frozen=True, slots=True)
class Monitor:
    """A running `petmood monitor serve`."""

    process: subprocess.Popen[bytes]
    url: str

    def text(self, path: str) -> str:
        """Return the body of an answer."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310 - our own address
            return str(answer.read().decode())

    def state(self) -> dict[str, Any]:
        """Return what is known of the one bundle."""
        found: dict[str, Any] = json.loads(self.text("/drift"))["bundles"][0]
        return found

    def wait_for_windows(self, count: int) -> list[str]:
        """Wait until so many windows are tested; return their results."""
        wait_until(lambda: len(self.state()["windows"]) >= count, within_s=START_S)
        return [one["status"] for one in self.state()["windows"]]


@contextmanager
def watching(bundle: Bundle, database: str, log: Path) -> Iterator[Monitor]:
    """Watch a log with windows of 50; what is still running afterwards is killed."""
    command = [sys.executable, "-m", "petmood", "monitor", "serve", "--log", database, "--bundle", str(bundle.folder)]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--window", "50", "--every", "0.2", "--port", "0"], stderr=output)
    try:
        wait_until(lambda: "http://" in log.read_text() or process.poll() is not None, within_s=START_S)
        found = re.search(r"http://[^\s]+", log.read_text())
        assert found, log.read_text()
        yield Monitor(process, found[0].rstrip("/"))
    finally:
        process.kill()
        process.wait()


def send(served: Served, photos: NDArray[np.uint8]) -> None:
    for photo in photos:
        assert served.predict(png(photo), "image/png").status == 200


@pytest.mark.posix
def test_dark_photos_are_an_alert_that_outlives_a_kill_and_ends_with_bright_ones(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    bundle = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")
    side, database = bundle.manifest.image.side_px, f"sqlite:///{tmp_path}/log.db"
    bright = faces(100, side_px=side, seed=700)
    metric = f'petmood_drift_alert{{bundle="{bundle.manifest.name} {bundle.manifest.version}"}}'
    given = {"PETMOOD_PREDICTION_LOG": database, "PETMOOD_DRAIN_NOTICE_S": "0"}
    with serving(bundle.folder, tmp_path / "service.log", given=given) as served:
        with watching(bundle, database, tmp_path / "first.log") as monitor:
            send(served, bright[:50])
            assert monitor.wait_for_windows(1) == ["ok"]
            send(served, dark(faces(150, side_px=side, seed=800)))
            assert monitor.wait_for_windows(4) == ["ok", "drift", "drift", "drift"]
            assert f"{metric} 1.0" in monitor.text("/metrics")
            assert "The photos have drifted." in monitor.text("/drift/report")
            monitor.process.send_signal(signal.SIGKILL)
            monitor.process.wait()
        with watching(bundle, database, tmp_path / "second.log") as monitor:
            assert monitor.wait_for_windows(4) == ["ok", "drift", "drift", "drift"]
            assert monitor.state()["alert"] is True
            send(served, bright[50:])
            assert monitor.wait_for_windows(5)[-1] == "ok"
            assert f"{metric} 0.0" in monitor.text("/metrics")
            monitor.process.send_signal(signal.SIGTERM)
            assert monitor.process.wait(timeout=60) in (0, -signal.SIGTERM)
        assert served.end() == 0

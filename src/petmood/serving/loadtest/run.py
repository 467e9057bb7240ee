"""Run a load test in a Locust subprocess, collect its steps and write the report."""

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DownloadError, MissingDependency
from petmood.core.files import atomic_write_bytes, atomic_write_json
from petmood.serving.loadtest.config import LoadTestConfig
from petmood.serving.loadtest.photos import form, read, synthetic_photos
from petmood.serving.loadtest.plot import ramp_png
from petmood.serving.loadtest.report import Report
from petmood.serving.loadtest.steps import Step, step_from

__all__ = ["load_service", "preflight", "require_locust", "write_report"]

REFUSALS: Final = {
    401: "it requires a token; set PETMOOD_TOKEN, or use --token",
    403: "it does not allow this request; check its access settings",
    404: "it has no such path; petmood predicts at /predict",
    405: "it does not accept POST at this path; petmood predicts at /predict",
}


def require_locust() -> None:
    """Check that Locust is installed without importing it, which would monkey-patch this process's sockets.

    Raises:
        MissingDependency: Locust is not installed.
    """
    if find_spec("locust") is None:
        command = shell_command("install", "petmood[loadtest]", program="pip")
        raise MissingDependency(f"'locust' is not installed. Install it with: {command}")


def preflight(job: LoadTestConfig, *, timeout_s: float = 30.0) -> None:
    """Post one photo before the load test, so that a wrong URL gives one error instead of thousands.

    Raises:
        DownloadError: there is no response.
        ConfigError: the URL doesn't accept photos, or requires a token.
        DataError: there are no photos to send.
    """
    photo = form((synthetic_photos(1) if job.photos is None else read(Path(job.photos)))[0])
    headers = {"Content-Type": photo.content_type}
    headers |= {} if job.token is None else {"Authorization": f"Bearer {job.token}"}
    url = urlsplit(job.target.base)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(url.hostname or "", url.port, timeout=timeout_s)) as connection:
        try:
            connection.request("POST", job.target.path, body=photo.body, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            reason = f"{error}" or type(error).__name__
            command = shell_command("serve", "BUNDLE")
            raise DownloadError(
                f"No response from {job.target.url} ({reason}). Start a service with: {command}"
            ) from error
    if status in REFUSALS:
        raise ConfigError(f"{job.target.url} returned status {status}: {REFUSALS[status]}.")


def load_service(job: LoadTestConfig, *, to: Path, on_step: Callable[[Step], None] | None = None) -> list[Step]:
    """Run Locust in a subprocess, copy its CSV files into a folder and return the steps.

    Raises:
        DownloadError: the Locust process failed; its output is on stderr.
    """
    steps = []
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "petmood.serving.loadtest"]
        job = replace(job, csv=str(Path(name) / "locust"))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this interpreter
            try:
                if process.stdin is not None and process.stdout is not None:
                    process.stdin.write(job.as_text())
                    process.stdin.close()
                    for line in process.stdout:
                        steps.append(step_from(json.loads(line)))
                        if on_step is not None:
                            on_step(steps[-1])
            except BaseException:
                process.kill()
                raise
        for file in sorted(Path(name).glob("*.csv")):
            atomic_write_bytes(to / file.name, file.read_bytes())
    if process.returncode:
        raise DownloadError(
            f"The Locust process exited with status {process.returncode}. Its output above has the reason."
        )
    return steps


def write_report(report: Report, *, to: Path) -> list[Path]:
    """Write ``summary.json``, and ``ramp.png`` if there are several steps; return the written paths."""
    atomic_write_json(to / "summary.json", report.as_json())
    written = [to / "summary.json"]
    if len(report.steps) > 1:
        atomic_write_bytes(to / "ramp.png", ramp_png(report))
        written.append(to / "ramp.png")
    return written

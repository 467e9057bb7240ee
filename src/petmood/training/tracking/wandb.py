"""Weights & Biases tracker: online with an API key, otherwise offline files in the run folder."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from petmood.core.commands import shell_command
from petmood.core.errors import PetmoodError, TrackingError
from petmood.core.extras import require
from petmood.core.redact import one_line
from petmood.training.tracking.events import Artifact, Entry, Metrics, Params, RunStarted, Status, Tags, TrackerSpec

__all__ = ["STEP", "WandbTracker"]

STEP: Final = "epoch"
"""The metric that is the x axis of all curves."""

INIT_TIMEOUT_S: Final = {"online": 15.0, "offline": 600.0}
"""Timeout of ``wandb.init``: online it is below the training's deadline; offline there is no server."""
EXIT_CODES: Final = {"running": 0, "finished": 0, "failed": 1, "killed": 255}


class WandbTracker:
    """Mirror one run in W&B under its own id; offline, all entries are rewritten each time, without duplicates."""

    confirms = False

    def __init__(self, spec: TrackerSpec, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._own = folder.absolute() / "wandb"
        os.environ["WANDB_DATA_DIR"] = str(self._own / "data")  # data for `wandb sync` stays in the run folder
        self._wandb = require("wandb", extra="wandb")
        self._run: Any = None
        self._exit_code = 0
        self.note = ""

    def open(self, begin: RunStarted) -> bool:
        """Open the run by its id; return True offline, where all entries must be written."""
        offline = self._is_offline()
        if offline:
            for old in [*self._own.glob(f"offline-run-*-{begin.run_id}"), self._own / "data"]:
                shutil.rmtree(old, ignore_errors=True)
        with _as_tracking_error():
            self._run = self._wandb.init(
                project=self._spec.project,
                id=begin.run_id,
                name=begin.name,
                resume="allow",
                settings=self._settings(mode="offline" if offline else "online"),
            )
            self._run.define_metric(STEP, hidden=True)
            self._run.define_metric("*", step_metric=STEP)
        if offline:
            command = shell_command("sync", self._run.settings.sync_dir, program="wandb")
            self.note = f"W&B's run was written offline. Send it with: {command}"
        return offline

    def send(self, entries: Sequence[Entry]) -> None:
        """Pass entries to W&B's service process; it skips epochs that it has already."""
        with _as_tracking_error():
            for entry in entries:
                match entry:
                    case Params() | Tags():
                        self._run.config.update(entry.values, allow_val_change=True)
                    case Metrics(step=None):
                        self._run.summary.update(entry.values)
                    case Metrics():
                        self._run.log({STEP: entry.step, **entry.values}, step=entry.step)
                    case Artifact():
                        self._keep(entry)
                    case Status():
                        self._exit_code = EXIT_CODES[entry.status]

    def close(self) -> None:
        """Wait until W&B's service process has written or sent everything and has exited.

        ``finish`` alone is not enough: in one of twelve runs it returned before the offline file was written.
        """
        if self._run is not None:
            with _as_tracking_error():
                self._run.finish(exit_code=self._exit_code)
                self._wandb.teardown()

    def _keep(self, entry: Artifact) -> None:
        """Store a folder as a versioned artifact, and a file with the run."""
        path = self._folder / entry.path
        if path.is_dir():
            artifact = self._wandb.Artifact(entry.to or path.name, type="model")
            artifact.add_dir(str(path))
            self._run.log_artifact(artifact)
        elif path.is_file():
            to = Path(self._run.dir) / entry.to / path.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            self._run.save(str(to), base_path=self._run.dir, policy="now")

    def _is_offline(self) -> bool:
        wanted = self._spec.mode if self._spec.mode != "auto" else os.environ.get("WANDB_MODE", "auto")
        if wanted == "auto":
            return not self._has_key()
        return wanted != "online"

    def _has_key(self) -> bool:
        if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
            return True
        from wandb.sdk.lib.wbauth.wbnetrc import read_netrc_auth  # noqa: PLC0415 - an extra

        return read_netrc_auth(host=self._wandb.Settings().base_url) is not None

    def _settings(self, *, mode: str) -> Any:  # noqa: ANN401 - wandb is an extra
        """Return settings under which W&B prints nothing, never prompts, and collects only the logged entries."""
        return self._wandb.Settings(
            mode=mode,
            root_dir=str(self._folder.absolute()),
            init_timeout=INIT_TIMEOUT_S[mode],
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
        )


@contextmanager
def _as_tracking_error() -> Iterator[None]:
    """Convert any exception of wandb to a one-line ``TrackingError``."""
    try:
        yield
    except PetmoodError:
        raise
    except Exception as error:  # the exceptions of wandb and its service process have no common class
        raise TrackingError(f"Weights & Biases can't be reached, or refuses: {one_line(error)}") from error

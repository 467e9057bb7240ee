"""Weights & Biases tracker: online with an API key, otherwise offline files in the run folder."""

import netrc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from petmood.core.commands import shell_command
from petmood.core.errors import PetmoodError, TrackingError
from petmood.core.extras import require
from petmood.core.redact import one_line
from petmood.training.tracking.base import RunContent
from petmood.training.tracking.state import TrackerSettings

__all__ = ["STEP", "WandbTracker"]

STEP: Final = "epoch"
"""The metric that is the x axis of all curves."""

INIT_TIMEOUT_S: Final = {"online": 15.0, "offline": 600.0}
"""Timeout of ``wandb.init``: online it is below the training's deadline; offline there is no server."""
PUBLIC_HOST: Final = "api.wandb.ai"
"""The host of keys in netrc files; W&B also uses them for its newer hosts."""
EXIT_CODES: Final = {"running": 0, "finished": 0, "failed": 1, "killed": 255}


class WandbTracker:
    """Mirror one run in W&B under its own id; offline, everything is rewritten each time, without duplicates."""

    def __init__(self, spec: TrackerSettings, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._own = folder.absolute() / "wandb"
        os.environ["WANDB_DATA_DIR"] = str(self._own / "data")  # data for `wandb sync` stays in the run folder
        self._wandb = require("wandb", extra="wandb")
        self._run: Any = None
        self._exit_code = 0
        self._logged = -1
        self.note = ""

    def write(self, content: RunContent, *, live: bool = False) -> int:
        """Pass a run to W&B's service process, which skips epochs that W&B has; offline, nothing is written live.

        A sweep is not a run in W&B but the group of its trials.
        """
        offline = self._is_offline()
        if content.is_sweep or (live and offline):
            return 0
        with _as_tracking_error():
            if self._run is None:
                self._open(content, offline=offline)
            settings = {**content.params, **content.tags}
            self._run.config.update(settings, allow_val_change=True)
            epochs = [epoch for epoch in content.epochs if epoch.step > self._logged]
            for epoch in epochs:
                self._run.log({STEP: epoch.step, **epoch.values}, step=epoch.step)
                self._logged = epoch.step
            self._run.summary.update({name: final.value for name, final in content.finals.items()})
            sent = len(settings) + sum(len(epoch.values) for epoch in epochs) + len(content.finals)
            self._exit_code = EXIT_CODES[content.status]
            return sent if live else sent + self._send_files(content)

    def close(self) -> None:
        """Wait until W&B's service process has written or sent everything and has exited.

        ``finish`` alone is not enough: in one of twelve runs it returned before the offline file was written.
        """
        if self._run is not None:
            with _as_tracking_error():
                self._run.finish(exit_code=self._exit_code)
                self._wandb.teardown()

    def _open(self, content: RunContent, *, offline: bool) -> None:
        """Open the run by its id; offline, the files of an earlier session are removed, as everything is rewritten."""
        if offline:
            for old in [*self._own.glob(f"offline-run-*-{content.run_id}"), self._own / "data"]:
                shutil.rmtree(old, ignore_errors=True)
        self._run = self._wandb.init(
            project=self._spec.project,
            id=content.run_id,
            name=content.name,
            group=content.parent.name if content.parent else None,
            resume="allow",
            settings=self._settings(mode="offline" if offline else "online"),
        )
        self._run.define_metric(STEP, hidden=True)
        self._run.define_metric("*", step_metric=STEP)
        if offline:
            command = shell_command("sync", self._run.settings.sync_dir, program="wandb")
            self.note = f"The W&B run was written offline. Upload it with: {command}"

    def _send_files(self, content: RunContent) -> int:
        """Store files with the run, the bundle as a versioned artifact, and the dataset as a part of the settings."""
        for file in content.files:
            to = Path(self._run.dir) / file.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, to)
            self._run.save(str(to), base_path=self._run.dir, policy="now")
        if content.bundle is not None:
            artifact = self._wandb.Artifact("bundle", type="model")
            artifact.add_dir(str(content.bundle))
            self._run.log_artifact(artifact)
        if content.dataset is not None:
            dataset = {"name": content.dataset.name, "digest": content.dataset.digest, "source": content.dataset.source}
            self._run.config.update({"dataset": dataset}, allow_val_change=True)
        return len(content.files) + (content.bundle is not None) + (content.dataset is not None)

    def _is_offline(self) -> bool:
        wanted = self._spec.mode if self._spec.mode != "auto" else os.environ.get("WANDB_MODE", "auto")
        if wanted == "auto":
            return not self._has_key()
        return wanted != "online"

    def _has_key(self) -> bool:
        """Return whether W&B would find a key: in the environment, or for its host in the netrc file."""
        if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
            return True
        host = urlsplit(str(self._wandb.Settings().base_url)).netloc
        hosts = [host] if os.environ.get("WANDB_BASE_URL") else [host, PUBLIC_HOST]
        try:
            known = netrc.netrc(os.environ.get("NETRC"))
        except (OSError, netrc.NetrcParseError):
            return False
        return any(known.authenticators(host) for host in hosts)

    def _settings(self, *, mode: str) -> Any:  # noqa: ANN401 - wandb is an extra
        """Return settings under which W&B prints nothing, never prompts, and collects only what is written here."""
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
        raise TrackingError(f"Weights & Biases can't be reached, or rejected the request: {one_line(error)}") from error

"""Layout of a run folder, with fixed file names for all later steps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from petmood.configs.load import from_file
from petmood.configs.schema import Config
from petmood.core.commands import shell_command
from petmood.core.errors import RunError
from petmood.core.files import atomic_write_json
from petmood.core.folder_kind import RUN_NAME
from petmood.core.image import ImageSpec
from petmood.data.index import Split

__all__ = ["RunFolder", "RunMetadata", "open_run"]


class RunMetadata(BaseModel):
    """Metadata of a run, in ``run.json``; ``seconds`` is the duration of training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Literal["training", "done"]
    data_path: str
    data_hash: str
    code_version: str
    packages: dict[str, str]
    backbone: str
    classes: tuple[str, ...]
    image: ImageSpec
    photos: dict[str, int]
    created: str
    seconds: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths in a run folder; the files need not exist yet."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings, YAML."""
        return self.path / "config.yaml"

    @property
    def metadata(self) -> Path:
        """The metadata of the run, JSON."""
        return self.path / RUN_NAME

    @property
    def weights(self) -> Path:
        """The best weights, safetensors."""
        return self.path / "model.safetensors"

    @property
    def metrics_csv(self) -> Path:
        """Per-epoch metrics, CSV."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """The run's log, text."""
        return self.path / "log.txt"

    @property
    def checkpoints(self) -> Path:
        """Lightning's checkpoints, ``last.ckpt`` and ``best.ckpt``."""
        return self.path / "checkpoints"

    @property
    def evaluation(self) -> Path:
        """All metrics, JSON."""
        return self.path / "evaluation.json"

    @property
    def report(self) -> Path:
        """The evaluation report with all metrics and figures, HTML."""
        return self.path / "report.html"

    def predictions(self, split: Split) -> Path:
        """Return the path of the logits of one split, npz."""
        return self.path / "scored" / f"{split}.npz"

    def read_config(self) -> Config:
        """Read the resolved settings."""
        return from_file(self.config)

    def read_metadata(self) -> RunMetadata:
        """Read the metadata of the run.

        Raises:
            RunError: ``run.json`` is missing or damaged.
        """
        try:
            return RunMetadata.model_validate(json.loads(self.metadata.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise RunError(f"{self.metadata} can't be read; train again, or give another run.") from error

    def write_metadata(self, facts: RunMetadata, *, update: Mapping[str, Any] | None = None) -> RunMetadata:
        """Write the metadata of the run, with some fields updated, and return it."""
        changed = facts.model_copy(update=dict(update or {}))
        atomic_write_json(self.metadata, changed.model_dump(mode="json"))
        return changed


def open_run(path: Path, *, finished: bool = True) -> RunFolder:
    """Return an existing run folder.

    Raises:
        RunError: there is no such run, or it is not finished and ``finished`` is set.
    """
    run = RunFolder(path)
    if not run.metadata.is_file():
        known = sorted(p.parent.name for p in path.parent.glob(f"*/{RUN_NAME}")) if path.parent.is_dir() else []
        make = shell_command("train", "data=data/pets")
        hint = f" Known there: {', '.join(known[-8:])}." if known else f" Train one with: {make}"
        raise RunError(f"{path} isn't a run: {RUN_NAME} is missing.{hint}")
    if finished and run.read_metadata().status != "done":
        resumed = shell_command("train", "--resume", path)
        raise RunError(f"The run {path} is not finished. Resume it with: {resumed}")
    return run

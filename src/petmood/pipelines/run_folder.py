"""Layout of a run folder, with fixed file names for all later steps."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from petmood.configs.load import from_file
from petmood.configs.schema import Config
from petmood.core.atomic_directory import is_system_file, name_some
from petmood.core.commands import shell_command
from petmood.core.errors import DataError, RunError
from petmood.core.files import atomic_write_json
from petmood.core.folder_kind import INDEX_NAME, RUN_NAME
from petmood.core.image import ImageSpec
from petmood.core.locks import exclusive_lock
from petmood.core.partials import is_leftover
from petmood.data.index import Split, read_index

__all__ = ["RunFolder", "RunMetadata", "find_dataset", "open_run", "places_of", "refuse_foreign_run"]


class RunMetadata(BaseModel):
    """Metadata of a run, in ``run.json``; ``seconds`` is the duration of training.

    ``chosen_on``: number of validation photos that chose among models (0: there was no choice; None: an earlier
    version of petmood wrote the file). ``tried``: number of models that they chose among, over all trials of a sweep.
    """

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
    chosen_on: int | None = None
    tried: int | None = None


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

    @property
    def domain(self) -> Path:
        """The fitted domain: mean, components and limit of the photos' features, npz."""
        return self.path / "domain.npz"

    @property
    def optimized(self) -> Path:
        """The folder of the smaller variants: their comparison as JSON and HTML, and the networks."""
        return self.path / "optimized"

    def predictions(self, split: Split) -> Path:
        """Return the path of the logits of one split, npz."""
        return self.path / "scored" / f"{split}.npz"

    def out_of_fold(self, repeat: int) -> Path:
        """Return the path of the out-of-fold logits of one repeat of the folds, npz."""
        return self.path / "scored" / f"out_of_fold-{repeat}.npz"

    def crossval(self, repeat: int) -> Path:
        """Return the path of the copied out-of-fold logits of a cross-validation that the run names, npz."""
        return self.path / "scored" / f"crossval-{repeat}.npz"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let no other process train or evaluate the run during the block; its folder need not exist.

        Where no lock file can be written beside the folder, such as on a read-only disk, there is no lock.

        Raises:
            OutputLocked: another process is writing the run.
        """
        place = self.path.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(place, shown=self.path) if os.access(place.parent, os.W_OK) else nullcontext():
            yield

    def dataset(self) -> Path:
        """Return the folder of the dataset that the run was trained on.

        A relative path is looked for in the current folder, and then in each folder above the run's. Of several
        datasets there, the one of the same data version is taken.

        Raises:
            DataError: there is no dataset at any of these paths.
        """
        facts = self.read_metadata()
        named = Path(facts.data_path)
        found = find_dataset(named, near=[self.path], data_hash=facts.data_hash)
        if found is None:
            where = "is missing" if named.is_absolute() else f"is neither in {Path.cwd()} nor in a folder above the run"
            raise DataError(
                f"The dataset {named} of the run {self.path} {where}. "
                "Restore it, or run the command in the folder that the run was trained in."
            )
        return found

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


def find_dataset(named: Path, *, near: Iterable[Path], data_hash: str) -> Path | None:
    """Return the dataset at a path; a relative one is looked for in the current folder, and above each path ``near``.

    Of several datasets there, the one of this data version is taken; None if there is none.
    """
    found = [place for place in places_of(named, near=near) if (place / INDEX_NAME).is_file()]
    return next((place for place in found if _version_of(place) == data_hash), found[0] if found else None)


def places_of(named: Path, *, near: Iterable[Path]) -> list[Path]:
    """Return where a path may be: as it is, and a relative one in each folder above each path ``near`` too."""
    above = () if named.is_absolute() else [folder for path in near for folder in path.resolve().parents]
    return [named, *(folder / named for folder in above)]


def _version_of(dataset: Path) -> str | None:
    try:
        return read_index(dataset).hash
    except DataError:
        return None


def refuse_foreign_run(run: RunFolder, *, own: Set[str] = frozenset()) -> None:
    """Refuse a folder that holds files which a new run would mix with or overwrite; ``own`` names are accepted.

    The settings that a process wrote before it was killed, and files of the operating system, are accepted too.

    Raises:
        RunError: the folder holds other files; the message names them.
    """
    if not run.path.is_dir():
        return
    names = {path.name for path in run.path.iterdir() if not is_system_file(path.name) and not is_leftover(path.name)}
    if foreign := names - {run.config.name, *own}:
        raise RunError(f"{run.path} holds other files: {name_some(foreign)}. Give another run.name.")


def open_run(path: Path, *, finished: bool = True) -> RunFolder:
    """Return an existing run folder.

    Raises:
        OutputLocked: it is not finished, since another process is training it, and ``finished`` is set.
        RunError: there is no such run, or it is not finished and ``finished`` is set.
    """
    run = RunFolder(path)
    if not run.metadata.is_file():
        known = sorted(p.parent.name for p in path.parent.glob(f"*/{RUN_NAME}")) if path.parent.is_dir() else []
        make = shell_command("train", "data=data/pets")
        hint = f" Known there: {', '.join(known[-8:])}." if known else f" Train one with: {make}"
        raise RunError(f"{path} isn't a run: {RUN_NAME} is missing.{hint}")
    if finished and run.read_metadata().status != "done":
        with run.lock():
            resumed = shell_command("train", "--resume", path)
        raise RunError(f"The run {path} is not finished. Resume it with: {resumed}")
    return run

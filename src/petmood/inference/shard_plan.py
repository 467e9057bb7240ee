"""Plan of a prediction in shards, in one folder: the bundle, the photos of each shard, and the shards that are done.

The list of photos is made once. A folder of photos that grows later doesn't shift the shards.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from petmood.core.atomic_directory import is_system_file, name_some
from petmood.core.bundle import MANIFEST as BUNDLE_MANIFEST
from petmood.core.bundle import Bundle
from petmood.core.errors import OutputError, PhotoError
from petmood.core.files import atomic_write_bytes, atomic_write_json
from petmood.core.locks import exclusive_lock
from petmood.core.output_paths import refuse_unwritable
from petmood.core.photo_source import FoundPhoto
from petmood.core.schemas import ErrorResponse, ModelInfo, PredictionResponse

__all__ = ["ShardManifest", "ShardPlan", "find_plan", "make_plan"]

MANIFEST: Final = "manifest.json"
SUMMARY: Final = "summary.json"
PHOTOS: Final = "photos"
BUNDLE: Final = "bundle"
OWN: Final = frozenset({MANIFEST, PHOTOS, BUNDLE})
"""Entries that a plan consists of; a killed process may have written the last two without the manifest."""

_RESULT: Final = TypeAdapter[PredictionResponse | ErrorResponse](PredictionResponse | ErrorResponse)


class ShardManifest(BaseModel):
    """What the shards of a folder hold: the results of a bundle for a list of photos.

    ``photos_sha256`` is the hash of the list, in its files' order. ``source`` is what the list was made of: paths, and
    the hash of a file of paths.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    bundle: ModelInfo
    photos: int = Field(ge=1)
    photos_sha256: str
    shard_size: int = Field(ge=1)
    source: dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A folder with its manifest: the files of each shard, and which are missing."""

    folder: Path
    manifest: ShardManifest

    @property
    def count(self) -> int:
        """The number of shards."""
        return -(-self.manifest.photos // self.manifest.shard_size)

    @property
    def bundle(self) -> Path:
        """The folder of the bundle, a copy that every process reads."""
        return self.folder / BUNDLE

    @property
    def summary(self) -> Path:
        """The file with the counts, written when all shards are there."""
        return self.folder / SUMMARY

    def result(self, number: int) -> Path:
        """Return the file of a shard's results."""
        return self.folder / f"shard-{number:05d}-of-{self.count:05d}.jsonl"

    def position_file(self, number: int) -> Path:
        """Return the file with the position of the photo that is predicted, where a process was killed before."""
        return self.folder / f".shard-{number:05d}.position"

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """Return those of the shards without results; the folder is listed once."""
        there = {entry.name for entry in os.scandir(self.folder)}
        return [number for number in numbers if self.result(number).name not in there]

    def photos(self, number: int) -> list[FoundPhoto]:
        """Return the photos of a shard, in order.

        Raises:
            OutputError: the list can't be read.
        """
        try:
            text = _list_file(self.folder, number).read_text("utf-8")
        except OSError as error:
            raise OutputError(
                f"The list of photos in {self.folder} can't be read ({error.strerror}). Every machine needs this "
                "folder at the same path."
            ) from error
        return [_found(json.loads(line)) for line in text.splitlines()]

    def results(self, number: int) -> Iterator[PredictionResponse | ErrorResponse]:
        """Yield the results of a shard's photos, in order.

        Raises:
            OutputError: the file was changed.
        """
        path = self.result(number)
        with path.open("rb") as file:
            for line in file:
                try:
                    yield _RESULT.validate_json(line)
                except ValidationError as error:
                    raise OutputError(
                        f"{path} was changed: a line is not a result. Remove the file, and run the same command again."
                    ) from error


def find_plan(folder: Path) -> ShardPlan | None:
    """Return the plan in a folder; None if there is none.

    Raises:
        OutputError: the manifest or the list of photos was changed.
    """
    try:
        manifest = ShardManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise OutputError(
            f"{folder / MANIFEST} is not a manifest of predictions of this version. Choose another --output."
        ) from error
    plan = ShardPlan(folder, manifest)
    hashed = hashlib.sha256()
    try:
        for number in range(plan.count):
            hashed.update(_list_file(folder, number).read_bytes())
    except FileNotFoundError:
        hashed = hashlib.sha256()
    if hashed.hexdigest() != manifest.photos_sha256:
        raise OutputError(f"The list of photos in {folder / PHOTOS} was changed. Choose another --output.")
    return plan


def make_plan(
    folder: Path,
    bundle: Bundle,
    photos: Sequence[FoundPhoto],
    *,
    shard_size: int,
    source: Mapping[str, str | list[str]],
) -> ShardPlan:
    """Write the list of photos and a copy of the bundle, and the manifest last; return the plan.

    After a kill there is no manifest, and the next call writes everything again.

    Raises:
        OutputError: the folder holds other files or can't be written, or another process is writing it.
    """
    refuse_unwritable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder / MANIFEST, shown=folder):
        if (found := find_plan(folder)) is not None:
            return found
        _refuse_foreign(folder)
        for name in (*bundle.manifest.files, BUNDLE_MANIFEST):
            atomic_write_bytes(folder / BUNDLE / name, (bundle.folder / name).read_bytes())
        hashed = hashlib.sha256()
        for number, start in enumerate(range(0, len(photos), shard_size)):
            data = "".join(f"{json.dumps(_listed(one))}\n" for one in photos[start : start + shard_size]).encode()
            atomic_write_bytes(_list_file(folder, number), data)
            hashed.update(data)
        manifest = ShardManifest(
            bundle=ModelInfo(name=bundle.manifest.name, version=bundle.manifest.version, sha256=bundle.sha256),
            photos=len(photos),
            photos_sha256=hashed.hexdigest(),
            shard_size=shard_size,
            source=dict(source),
        )
        atomic_write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    return ShardPlan(folder, manifest)


def _refuse_foreign(folder: Path) -> None:
    others = [path.name for path in folder.iterdir() if path.name not in OWN and not path.name.startswith(".")]
    if foreign := [name for name in others if not is_system_file(name)]:
        raise OutputError(
            f"Expected {folder} to be new, an empty folder or one with predictions, got {name_some(foreign)} in it. "
            "Choose another --output."
        )


def _list_file(folder: Path, number: int) -> Path:
    return folder / PHOTOS / f"{number:05d}.jsonl"


def _listed(one: FoundPhoto) -> dict[str, str]:
    """Return a photo as JSON, whose path may hold bytes that are not UTF-8."""
    entry = {"photo": os.path.abspath(one.path)}  # noqa: PTH100 - links stay: they may be of a mounted disk
    return entry | ({"code": one.problem.code, "message": str(one.problem)} if one.problem else {})


def _found(entry: Mapping[str, str]) -> FoundPhoto:
    problem = None
    if "message" in entry:
        problem = PhotoError(entry["message"])
        problem.code = entry["code"]
    return FoundPhoto(Path(entry["photo"]), problem)

"""Reading, writing and verification of model bundles: self-contained, immutable folders with SHA-256 hashes.

Training code writes bundles and serving code reads them; the two share nothing else.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petmood.core.atomic_directory import DirectoryDraft, is_system_file, name_some
from petmood.core.bundle_files import MANIFEST, check_size, read_limited
from petmood.core.bundle_target import bundle_directory
from petmood.core.commands import shell_command
from petmood.core.domain import DOMAIN_OUTPUTS, DomainRule
from petmood.core.drift_reference import ReferenceInfo
from petmood.core.errors import BundleError
from petmood.core.files import atomic_write_bytes, sha256_of
from petmood.core.folder_kind import FolderKind, folder_kind
from petmood.core.graph_outputs import CLASS_MAPS, LOGITS, RESIDUAL, GraphOutput
from petmood.core.image import ImageSpec
from petmood.core.names import MODEL_NAME
from petmood.core.prediction import PRACTICE_MODEL, DecisionRule
from petmood.core.validation import validation_message
from petmood.core.variants import VariantInfo

__all__ = [
    "ATOL",
    "DATA_NAME",
    "DOMAIN_NAME",
    "DOMAIN_OUTPUTS",
    "DUPLICATES_NAME",
    "MANIFEST",
    "RTOL",
    "SCHEMA_VERSION",
    "Bundle",
    "Manifest",
    "pack_arrays",
    "read",
    "verify",
    "verify_file",
    "write",
    "write_into",
]

SCHEMA_VERSION: Final = 2
RTOL: Final = 1e-3
ATOL: Final = 1e-4
"""Tolerances between torch and ONNX at export, and between golden and new outputs at every load."""

DATA_NAME: Final = "data.csv"
"""Copy of the dataset index at training time; its SHA-256 is the manifest's ``data_hash``."""

DUPLICATES_NAME: Final = "duplicates.npz"
"""Features of the photos that the model saw, by which near-duplicates are found; older bundles have none."""

DOMAIN_NAME: Final = "domain.onnx"
"""Network of the domain scores, in a bundle with a domain rule: input as ``model.onnx``, outputs float32 [B]."""

REQUIRED: Final = ("model.onnx", "golden.npz", "reference.npz", "card.md")


class Manifest(BaseModel):
    """Metadata of a bundle, stored as ``manifest.json``.

    ``temperature`` divides the network's logits inside ``model.onnx``; ``golden.npz`` holds the logits before that
    division. ``files`` maps every other file to its SHA-256. ``manifest_digest`` is the SHA-256 of this manifest
    without that field. Both detect corruption; neither is a signature. ``outputs`` are those of ``model.onnx``.
    ``data_kind`` is the kind of the training images, if known. ``domain`` is the rule for the scores of the network
    ``domain.onnx``; None for a bundle without it. ``reference`` describes ``reference.npz``, None in bundles that were
    exported before it could be compared with logged photos. ``variants`` are smaller networks beside ``model.onnx``. A
    bundle without one of the three has no such key, as those written before the key existed: else their digest would
    differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = SCHEMA_VERSION
    name: str = Field(pattern=MODEL_NAME)
    version: str
    classes: tuple[str, ...] = Field(min_length=2)
    image: ImageSpec
    temperature: float = Field(gt=0)
    confidence_threshold: float = Field(ge=0)
    target_error: float | None = None
    conformal_quantile: float = Field(ge=0, le=1)
    target_coverage: float | None = None
    metrics: dict[str, Any] = {}
    backbone: str
    data_hash: str
    code_version: str
    created: str
    config: dict[str, Any] = {}
    data_kind: Literal["photographs", "drawings"] | None = None
    outputs: tuple[GraphOutput, ...] = (LOGITS,)
    domain: DomainRule | None = Field(default=None, exclude_if=lambda rule: rule is None)
    reference: ReferenceInfo | None = Field(default=None, exclude_if=lambda found: found is None)
    variants: tuple[VariantInfo, ...] = Field(default=(), max_length=1, exclude_if=lambda found: not found)
    files: dict[str, str]
    manifest_digest: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every prediction of this model warns of."""
        return (PRACTICE_MODEL,) if self.data_kind == "drawings" else ()

    @property
    def has_class_maps(self) -> bool:
        """Whether the network has class maps as an output."""
        return CLASS_MAPS in self.outputs

    @property
    def has_embedding(self) -> bool:
        """Whether the network has the embedding and its residual norm as outputs."""
        return RESIDUAL in self.outputs

    @property
    def required_files(self) -> tuple[str, ...]:
        """The names of the files that this model's bundle must have beside the manifest."""
        domain = (DOMAIN_NAME,) if self.domain else ()
        return (*REQUIRED, *domain, *(name for variant in self.variants for name in variant.files))

    @property
    def decision(self) -> DecisionRule:
        """The rule that turns this model's logits into a prediction."""
        return DecisionRule(
            self.classes,
            confidence_threshold=self.confidence_threshold,
            conformal_quantile=self.conformal_quantile,
            domain=self.domain,
        )

    def with_digest(self) -> "Manifest":
        """Return a copy of the manifest with ``manifest_digest`` set."""
        return self.model_copy(update={"manifest_digest": _manifest_digest(self)})


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its folder, its manifest and the SHA-256 of the manifest file."""

    folder: Path
    manifest: Manifest
    sha256: str

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the bytes of every file; the manifest, which holds the hashes, comes last."""
        for name in (*self.manifest.files, MANIFEST):
            yield name, read_limited(self.folder / name)


def write(target: Path, manifest: Manifest, files: Mapping[str, bytes], *, replace: bool = False) -> Bundle:
    """Write a bundle atomically; the manifest's ``files`` and ``manifest_digest`` are filled in here.

    Raises:
        BundleError: the target exists and ``replace`` is not set, or a required file is missing.
    """
    with bundle_directory(target, replace=replace) as draft:
        made = write_into(draft, manifest, files)
    return Bundle(target, made.manifest, made.sha256)


def write_into(draft: DirectoryDraft, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle into a folder draft; the manifest's ``files`` and ``manifest_digest`` are filled in here.

    Raises:
        BundleError: a required file is missing.
    """
    required = manifest.required_files
    if missing := [name for name in required if name not in files]:
        raise BundleError(f"A bundle with this manifest requires {', '.join(required)}; missing: {', '.join(missing)}.")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    with_digest = manifest.model_copy(update={"files": hashes}).with_digest()
    for name, data in files.items():
        atomic_write_bytes(draft.path / name, data)
    atomic_write_bytes(draft.path / MANIFEST, with_digest.model_dump_json(indent=2).encode() + b"\n")
    draft.expect([*files, MANIFEST])
    return Bundle(draft.path, with_digest, sha256_of(draft.path / MANIFEST))


def read(folder: Path) -> Manifest:
    """Read a bundle's manifest and check its schema and digest; ``verify`` checks the other files.

    Raises:
        BundleError: the manifest is missing, has another schema version, is incomplete or was changed.
    """
    path = folder / MANIFEST
    if path.is_symlink():
        raise BundleError(f"Expected {path} to be a regular file, got a link. Copy the bundle with cp -rL.")
    if not path.is_file():
        raise BundleError(_why_no_bundle(folder))
    try:
        raw = json.loads(read_limited(path))
        found = raw.get("schema_version") if isinstance(raw, dict) else None
        if found != SCHEMA_VERSION:
            upgrade = shell_command("bundle", "upgrade", folder, "--output", folder.with_name(f"{folder.name}-v2"))
            advice = f"Convert it with: {upgrade}" if found == 1 else "Export the run again."
            raise BundleError(f"{path}: expected schema version {SCHEMA_VERSION}, got {found!r}. {advice}")
        manifest = Manifest.model_validate(raw)
    except (ValueError, ValidationError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {_first_line(error)}. Export the run again.") from error
    if manifest.manifest_digest != _manifest_digest(manifest):
        raise BundleError(f"{path} was changed after it was written (manifest_digest differs). Export the run again.")
    return manifest


def verify(folder: Path) -> Bundle:
    """Verify a bundle: every listed file is a regular file with the listed hash, and there are no other files.

    Raises:
        BundleError: a file is missing, changed, unlisted or a link; the message names the first one.
    """
    manifest = read(folder)
    for name in manifest.required_files:
        if name not in manifest.files:
            raise BundleError(f"{folder}: the manifest does not list {name}. Export the run again.")
    for name, expected in manifest.files.items():
        verify_file(folder, name, expected)
    names = {path.name for path in folder.iterdir()}
    beside = {name for name in names if not (is_system_file(name) or name.startswith("._"))}
    foreign = sorted(beside - {MANIFEST, *manifest.files})
    if foreign:
        raise BundleError(
            f"{folder} contains files that its manifest does not list: {', '.join(foreign)}. Remove them."
        )
    return Bundle(folder, manifest, sha256_of(folder / MANIFEST))


def pack_arrays(**arrays: NDArray[Any]) -> bytes:
    """Return arrays as the bytes of a compressed npz file.

    Raises:
        ValueError: an array holds Python objects.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def verify_file(folder: Path, name: str, expected: str) -> None:
    """Verify one listed file of a bundle: a regular file inside the folder, with the listed SHA-256.

    Raises:
        BundleError: the file is missing, a link, outside the folder, too large, or changed.
    """
    path = folder / name
    if Path(name).name != name or path.is_symlink():
        raise BundleError(
            f"{folder}: expected {name!r} to be a regular file in this folder, got a link or a path outside it. "
            "Copy the bundle with cp -rL, or export it again."
        )
    if not path.is_file():
        raise BundleError(f"{folder}: {name} is missing. Export the run again, or copy the folder again.")
    check_size(path)
    if sha256_of(path) != expected:
        raise BundleError(
            f"{folder}: {name} was changed or damaged (SHA-256 differs). Copy or export the bundle again."
        )


def _why_no_bundle(folder: Path) -> str:
    """Return the message for a folder without a manifest: what it is instead, and the next step."""
    export = shell_command("export", "RUN", "--output", folder)
    if not folder.exists():
        return f"No bundle at {folder}: the folder does not exist. Check the path, or export one with: {export}"
    if not folder.is_dir():
        return f"{folder} is a file, not a bundle. Give the bundle's folder."
    kind = folder_kind(folder)
    if kind is FolderKind.RUN:
        own = shell_command("export", folder, "--output", f"bundles/{folder.resolve().name}")
        return f"{folder} is a run, not a bundle. Export it with: {own}"
    if kind is FolderKind.DATASET:
        return f"{folder} is a dataset, not a bundle. Give the bundle's folder."
    bundles = [path.parent.name for path in folder.glob(f"*/{MANIFEST}") if path.is_file()]
    advice = f"Bundles in it: {name_some(bundles)}." if bundles else f"Export one with: {export}"
    return f"{folder} is not a bundle: {MANIFEST} is missing. {advice}"


def _manifest_digest(manifest: Manifest) -> str:
    content = manifest.model_dump(mode="json", exclude={"manifest_digest"})
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {validation_message(first, with_input=not isinstance(first['input'], dict))}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__

"""Conversion of bundles of schema version 1 to schema version 2."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from petmood.core.bundle import DATA_NAME, MANIFEST, SCHEMA_VERSION, Bundle, Manifest, verify_file, write
from petmood.core.bundle_files import read_limited
from petmood.core.errors import BundleError
from petmood.data.index_upgrade import upgrade_index_bytes

__all__ = ["upgrade_bundle"]

FIELDS: Final = {
    "sure_from": "confidence_threshold",
    "set_quantile": "conformal_quantile",
    "set_coverage": "target_coverage",
}
RESIZE: Final = {"stretch": "squash", "cover": "center_crop", "pad": "letterbox"}
DIGEST: Final = "seal"
"""The name of the manifest digest in schema version 1."""


def upgrade_bundle(folder: Path, *, to: Path) -> Bundle:
    """Write a bundle of schema version 1 as one of version 2 beside it; network and golden photos stay as they are.

    Raises:
        BundleError: the bundle has another schema version, was changed after it was written, or the target exists.
        DataError: its copy of the dataset index is invalid.
    """
    raw = _read(folder)
    for name, expected in raw["files"].items():
        verify_file(folder, name, expected)
    files = {name: read_limited(folder / name) for name in raw["files"]}
    renamed = {FIELDS.get(name, name): value for name, value in raw.items() if name not in {DIGEST, "files"}}
    renamed["schema_version"] = SCHEMA_VERSION
    renamed["image"]["resize"] = RESIZE[renamed["image"]["resize"]]
    if DATA_NAME in files:
        files[DATA_NAME] = upgrade_index_bytes(files[DATA_NAME], name=str(folder / DATA_NAME))
        renamed["data_hash"] = hashlib.sha256(files[DATA_NAME]).hexdigest()
    return write(to, Manifest.model_validate(renamed | {"files": {}}), files)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        raw = json.loads(read_limited(path))
        version = raw["schema_version"]
        digest = raw.pop(DIGEST, "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder} isn't a bundle: {MANIFEST} is missing or damaged.") from error
    if version != 1:
        raise BundleError(f"{path}: expected schema version 1, got {version!r}. Only version 1 needs an upgrade.")
    content = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    if hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path} was changed after it was written. Export the run again.")
    found: dict[str, Any] = raw
    return found

"""Valid bundles without a network, for tests of bundles and of the registry, and the forging of one."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from petmood.core.bundle import Bundle, Manifest, pack_arrays, read, verify, write
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES
from tests.support.images import faces


def demo_manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - any field of the manifest
    """Return a manifest before it is sealed."""
    fields: dict[str, Any] = {
        "name": "demo",
        "version": "1",
        "classes": DEFAULT_CLASSES,
        "image": ImageSpec(side_px=16),
        "temperature": 1.5,
        "confidence_threshold": 0.6,
        "conformal_quantile": 0.9,
        "metrics": {"test": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}},
        "backbone": "tiny",
        "data_hash": "d" * 64,
        "code_version": "0",
        "created": "2026-01-01T00:00:00Z",
        "config": {"lr": 1e-3, "layers": [1, 2], "name": "größe"},
        "files": {},
    }
    return Manifest.model_validate({**fields, **changes})


def demo_files(**changes: bytes) -> dict[str, bytes]:
    """Return the bytes of a bundle's files; name them with _ for the dot."""
    golden = pack_arrays(pixels=faces(3, side_px=16), logits=np.zeros((3, 4), np.float32))
    whole = {"model.onnx": b"graph" * 50, "golden.npz": golden, "reference.npz": pack_arrays(mean=np.zeros(3))}
    return {**whole, "card.md": b"# demo\n", **{name.replace("_", "."): data for name, data in changes.items()}}


def forge(folder: Path, name: str, data: bytes) -> Bundle:
    """Replace a file and seal the manifest again, as someone would who can do both."""
    (folder / name).write_bytes(data)
    hashes = {**read(folder).files, name: hashlib.sha256(data).hexdigest()}
    forged = read(folder).model_copy(update={"files": hashes}).with_digest()
    (folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    return verify(folder)


def word_bundle(to: Path, word: str, *, padding: int = 0, split: str = "test") -> Path:
    """Write a bundle whose content is told by a word, and return its folder; what it calls a network is none."""
    manifest = Manifest(
        name="pets",
        version=f"of-{word}",
        classes=DEFAULT_CLASSES,
        image=ImageSpec(side_px=32),
        temperature=1.0,
        confidence_threshold=0.5,
        conformal_quantile=0.9,
        metrics={"run": f"run-{word}", "splits": {split: {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}}},
        backbone="tiny",
        data_hash="d" * 64,
        code_version="0.1.0",
        created="2026-01-01T00:00:00+00:00",
        files={},
    )
    files = {name: f"{name} of {word}".encode() + bytes(padding) for name in ("model.onnx", "card.md")}
    arrays = {name: pack_arrays() for name in ("golden.npz", "reference.npz")}
    return write(to / word, manifest, files | arrays).folder

"""Valid bundles without a network for tests of the registry, distinguished by one word."""

from pathlib import Path

from petmood.core.bundle import Manifest, pack_arrays, write
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES


def word_bundle(to: Path, word: str, *, padding: int = 0) -> Path:
    """Write a bundle whose content is told by a word, and return its folder; what it calls a network is none."""
    manifest = Manifest(
        name="pets",
        version=f"of-{word}",
        classes=DEFAULT_CLASSES,
        image=ImageSpec(side_px=32),
        temperature=1.0,
        confidence_threshold=0.5,
        conformal_quantile=0.9,
        metrics={"run": f"run-{word}", "splits": {"test": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}}},
        backbone="tiny",
        data_hash="d" * 64,
        code_version="0.1.0",
        created="2026-01-01T00:00:00+00:00",
        files={},
    )
    files = {name: f"{name} of {word}".encode() + bytes(padding) for name in ("model.onnx", "card.md")}
    arrays = {name: pack_arrays() for name in ("golden.npz", "reference.npz")}
    return write(to / word, manifest, files | arrays).folder

"""How does a bundle become a predictor? Verified by hash, loaded, and made to answer its golden photos first."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import Bundle, read_golden, verify
from petmood.core.errors import BundleError, PhotoError
from petmood.core.image import PreparedImage
from petmood.core.photo import LIMITS, ImageLimits
from petmood.core.prediction import decide
from petmood.core.schemas import ModelCardResponse, ModelInfo
from petmood.inference.base import Answer
from petmood.inference.onnx import OnnxSession
from petmood.inference.prepare import try_prepare

__all__ = ["ATOL", "RTOL", "BundlePredictor", "check_golden", "load_bundle"]

RTOL: Final = 1e-3
ATOL: Final = 1e-4


@dataclass(frozen=True, slots=True)
class BundlePredictor:
    """Answers photos with a verified bundle; safe to share between threads."""

    bundle: Bundle
    session: OnnxSession
    limits: ImageLimits = LIMITS
    text: str = ""
    """The bundle's card, read once: the folder may be gone by the time that somebody asks."""

    @property
    def model(self) -> ModelInfo:
        """Which model answers."""
        manifest = self.bundle.manifest
        return ModelInfo(name=manifest.name, version=manifest.version, sha256=self.bundle.sha256)

    def card(self) -> ModelCardResponse:
        """Return the bundle's manifest and its card."""
        manifest = self.bundle.manifest
        return ModelCardResponse(
            model=self.model, classes=list(manifest.classes), manifest=manifest.model_dump(mode="json"), card=self.text
        )

    def predict(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one answer a photo, in their order; a bad photo gets its error and spoils no other."""
        spec = self.bundle.manifest.image
        prepared = [try_prepare(photo, spec, limits=self.limits) for photo in photos]
        good = [photo for photo in prepared if isinstance(photo, PreparedImage)]
        if not good:
            return [photo for photo in prepared if isinstance(photo, PhotoError)]
        pixels = np.stack([photo.pixels for photo in good]) if len(good) > 1 else good[0].pixels[np.newaxis]
        rows = iter(self.session.logits(pixels))
        decision = self.bundle.manifest.decision
        return [
            decide(next(rows), decision, warnings=photo.warnings) if isinstance(photo, PreparedImage) else photo
            for photo in prepared
        ]


def load_bundle(folder: Path, *, threads: int = 1, limits: ImageLimits = LIMITS) -> BundlePredictor:
    """Verify a bundle, load its network and check its golden photos; nothing of it is used before that.

    Raises:
        BundleError: the bundle is incomplete, changed, can't be run, or answers otherwise than it was trained to.
        MissingDependency: onnxruntime is not installed.
    """
    bundle = verify(folder)
    session = OnnxSession(folder / "model.onnx", threads=threads)
    check_golden(bundle, session)
    return BundlePredictor(bundle, session, limits, (folder / "card.md").read_text("utf-8"))


def _in_single_batches(session: OnnxSession, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Answer pictures as a service does, one at a time: all 32 together took 0.5 GB that were never given back."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        return np.concatenate(list(threads.map(session.logits, np.split(pixels, len(pixels)))))


def check_golden(bundle: Bundle, session: OnnxSession) -> None:
    """Let the network answer its golden photos, and compare with what the trained network said of them.

    Raises:
        BundleError: a logit differs by more than ``ATOL + RTOL * |expected|``, or a class differs.
    """
    golden = read_golden(bundle)
    expected = golden.logits / bundle.manifest.temperature
    got = _in_single_batches(session, golden.pixels)
    if got.shape != expected.shape:
        raise BundleError(f"{bundle.folder}: expected logits of shape {expected.shape}, got {got.shape}. Export again.")
    close = (np.isclose(got, expected, rtol=RTOL, atol=ATOL) & np.isfinite(got)).all(axis=1)
    same = got.argmax(axis=1) == expected.argmax(axis=1)
    if wrong := int((~(close & same)).sum()):
        worst = float(np.nan_to_num(np.abs(got - expected), nan=np.inf).max())
        raise BundleError(
            f"{bundle.folder}: {wrong} of {len(got)} golden photos are answered otherwise than by the trained network "
            f"(largest difference {worst:.3g}). Export the run again."
        )

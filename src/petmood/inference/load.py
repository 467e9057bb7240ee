"""Loading of a bundle as a predictor, after hash verification and a golden-photo check."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import ATOL, RTOL, Bundle, read_golden, verify
from petmood.core.bundle_files import read_limited
from petmood.core.errors import BundleError, ConfigError, PhotoError
from petmood.core.image import PreparedImage
from petmood.core.photo import LIMITS, ImageLimits
from petmood.core.prediction import decide
from petmood.core.processors import processor_count
from petmood.core.schemas import ModelCardResponse, ModelInfo
from petmood.inference.base import Answer, Predictor, try_prepare
from petmood.inference.onnx import OnnxSession

__all__ = ["BundlePredictor", "check_golden", "load_bundle"]


@dataclass(frozen=True, slots=True, repr=False)
class BundlePredictor(Predictor):
    """Predictor with a verified bundle; thread-safe."""

    bundle: Bundle
    session: OnnxSession
    limits: ImageLimits = LIMITS
    text: str = ""
    """The bundle's model card, read at loading, since the folder may be removed later."""

    @property
    def model(self) -> ModelInfo:
        """Name, version and SHA-256 of the bundle."""
        manifest = self.bundle.manifest
        return ModelInfo(name=manifest.name, version=manifest.version, sha256=self.bundle.sha256)

    def card(self) -> ModelCardResponse:
        """Return the bundle's manifest and model card."""
        manifest = self.bundle.manifest
        return ModelCardResponse(
            model=self.model, classes=list(manifest.classes), manifest=manifest.model_dump(mode="json"), card=self.text
        )

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one result per photo, in order; the result of an invalid photo is its error."""
        spec = self.bundle.manifest.image
        prepared = [try_prepare(photo, spec, limits=self.limits) for photo in photos]
        good = [photo for photo in prepared if isinstance(photo, PreparedImage)]
        if not good:
            return [photo for photo in prepared if isinstance(photo, PhotoError)]
        pixels = np.stack([photo.pixels for photo in good]) if len(good) > 1 else good[0].pixels[np.newaxis]
        rows = iter(self.session.logits(pixels))
        decision, model, general = self.bundle.manifest.decision, self.model, self.bundle.manifest.warnings
        return [
            decide(next(rows), decision, model=model, warnings=(*general, *photo.warnings))
            if isinstance(photo, PreparedImage)
            else photo
            for photo in prepared
        ]


def load_bundle(folder: Path, *, threads: int = 1, limits: ImageLimits = LIMITS) -> BundlePredictor:
    """Verify a bundle, load its network, check its golden photos and return the predictor.

    Raises:
        BundleError: the bundle is incomplete or changed, or its network can't be run or gives other golden outputs.
        ConfigError: ``threads`` is less than 1.
        MissingDependency: onnxruntime is not installed.
    """
    if threads < 1:
        raise ConfigError(f"Expected threads of 1 or more, got {threads}.")
    bundle = verify(folder)
    session = OnnxSession(folder / "model.onnx", threads=threads)
    check_golden(bundle, session)
    return BundlePredictor(bundle, session, limits, read_limited(folder / "card.md").decode())


def _in_single_batches(session: OnnxSession, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return logits [N, K], run in batches of one; a single batch of 32 took 0.5 GB that was never freed."""
    with ThreadPoolExecutor(max_workers=processor_count()) as threads:
        return np.concatenate(list(threads.map(session.logits, np.split(pixels, len(pixels)))))


def check_golden(bundle: Bundle, session: OnnxSession) -> None:
    """Compare the session's logits of the golden photos with those of the trained network.

    Raises:
        BundleError: a logit differs by more than ``ATOL + RTOL * |expected|``, or a predicted class differs.
    """
    golden = read_golden(bundle)
    expected = golden.logits / bundle.manifest.temperature
    got = _in_single_batches(session, golden.pixels)
    if got.shape != expected.shape:
        raise BundleError(
            f"{bundle.folder}: expected logits of shape {expected.shape}, got {got.shape}. Export it again."
        )
    close = (np.isclose(got, expected, rtol=RTOL, atol=ATOL) & np.isfinite(got)).all(axis=1)
    same = got.argmax(axis=1) == expected.argmax(axis=1)
    if wrong := int((~(close & same)).sum()):
        worst = float(np.nan_to_num(np.abs(got - expected), nan=np.inf).max())
        raise BundleError(
            f"{bundle.folder}: the outputs for {wrong} of {len(got)} golden photos differ from those of the trained "
            f"network (largest difference {worst:.3g}). Export the run again."
        )

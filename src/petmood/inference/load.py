"""Loading of a bundle as a predictor, after hash verification and a golden-photo check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import ATOL, DOMAIN_NAME, RTOL, Bundle, verify
from petmood.core.bundle_files import read_card
from petmood.core.domain import SCENE_WARNINGS, DomainScores
from petmood.core.errors import BundleError, ConfigError, PhotoError
from petmood.core.explanation import Explanation
from petmood.core.golden import maps_agree, read_golden
from petmood.core.graph_outputs import CLASS_MAPS, EMBEDDING, LOGITS, MEASURED, RESIDUAL
from petmood.core.image import PreparedImage, seen_box
from petmood.core.image_statistics import statistics_of
from petmood.core.photo import LIMITS, ImageLimits
from petmood.core.prediction import Measured, Prediction, decide
from petmood.core.schemas import ExplanationMethod, ModelCardResponse, ModelInfo
from petmood.core.stages import stage
from petmood.core.variants import FP32, VariantChoice, VariantName, check_choice
from petmood.inference.base import Answer, Explained, Predictor, try_prepare
from petmood.inference.occlusion import occlusion_maps
from petmood.inference.onnx import OnnxSession, run_singly
from petmood.inference.variants import choose_variant

__all__ = ["BundlePredictor", "check_golden", "load_bundle"]


@dataclass(frozen=True, slots=True, repr=False)
class BundlePredictor(Predictor):
    """Predictor with a verified bundle; thread-safe."""

    bundle: Bundle
    session: OnnxSession
    domain: OnnxSession | None = None
    """The network of the domain scores, if the bundle has one."""
    limits: ImageLimits = LIMITS
    text: str = ""
    """The bundle's model card, read at loading, since the folder may be removed later."""
    measures: bool = False
    """Whether predictions carry what the prediction log keeps of a photo."""
    variant: VariantName = FP32
    """The variant of the network that the session runs."""

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
        wanted = (LOGITS, *MEASURED) if self.measures and self.bundle.manifest.has_embedding else (LOGITS,)
        with stage("inference", bundle=self.bundle.sha256):
            outputs, scores = self.session.run(pixels, only=wanted), self.domain_scores(pixels)
        by_photo = ({name: one[row] for name, one in outputs.items()} for row in range(len(good)))
        rows = zip(by_photo, scores, strict=True)
        return [
            self._prediction(photo, *next(rows)) if isinstance(photo, PreparedImage) else photo for photo in prepared
        ]

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Return the prediction with a map for each class: those of the network, or else occlusion maps."""
        manifest = self.bundle.manifest
        prepared = try_prepare(photo, manifest.image, limits=self.limits)
        if isinstance(prepared, PhotoError):
            return prepared
        pixels = prepared.pixels[np.newaxis]
        method: ExplanationMethod = "hirescam" if manifest.has_class_maps else "occlusion"
        with stage("inference", bundle=self.bundle.sha256):
            outputs, (scores,) = self.session.run(pixels), self.domain_scores(pixels)
            if manifest.has_class_maps:
                maps = outputs[CLASS_MAPS][0]
            else:
                maps = occlusion_maps(self.session.logits, prepared.pixels, outputs[LOGITS][0])
        return Explanation(
            self._prediction(prepared, {LOGITS: outputs[LOGITS][0]}, scores),
            method,
            dict(zip(manifest.classes, maps, strict=True)),
            seen_box(manifest.image, width=prepared.width, height=prepared.height),
        )

    def _prediction(
        self, photo: PreparedImage, outputs: Mapping[str, NDArray[np.float32]], scores: DomainScores | None
    ) -> Prediction:
        """Return the prediction for a photo by the network's outputs for it."""
        manifest = self.bundle.manifest
        measured = None
        if self.measures:
            residual = float(outputs[RESIDUAL]) if RESIDUAL in outputs else None
            measured = Measured(statistics_of(photo.pixels), outputs.get(EMBEDDING), residual)
        return decide(
            outputs[LOGITS],
            manifest.decision,
            model=self.model,
            warnings=(*manifest.warnings, *photo.warnings),
            scores=scores,
            measured=measured,
        )

    def domain_scores(self, pixels: NDArray[np.uint8]) -> list[DomainScores | None]:
        """Return the domain scores of prepared photos uint8 [B, S, S, 3], None from a bundle without them.

        Raises:
            BundleError: the network of the scores can't run on pixels of this shape.
        """
        if self.domain is None:
            return [None] * len(pixels)
        found = self.domain.run(pixels)
        values = {name: scores.tolist() for name, scores in found.items()}
        scenes = [name for name in SCENE_WARNINGS if name in values]
        return [
            DomainScores(novelty, animal, {name: values[name][at] for name in scenes})
            for at, (novelty, animal) in enumerate(zip(values["novelty"], values["animal"], strict=True))
        ]


def load_bundle(
    folder: Path,
    *,
    threads: int = 1,
    limits: ImageLimits = LIMITS,
    measures: bool = False,
    variant: VariantChoice = FP32,
) -> BundlePredictor:
    """Verify a bundle, load its networks, check its golden photos and return the predictor.

    With ``measures``, its predictions carry what the prediction log keeps of a photo. ``variant`` is that of the
    network: fp32, int8, or auto, the one that is faster on this machine (see ``inference.variants``).

    Raises:
        BundleError: the bundle is incomplete or changed, a network of it can't be run or gives other golden outputs, or
            it has no such variant.
        ConfigError: ``threads`` is less than 1, or an unknown variant.
        MissingDependency: onnxruntime is not installed.
    """
    if threads < 1:
        raise ConfigError(f"Expected threads of 1 or more, got {threads}.")
    check_choice(variant)
    bundle = verify(folder)
    session = OnnxSession(folder / "model.onnx", threads=threads, outputs=bundle.manifest.outputs)
    domain = None
    if bundle.manifest.domain is not None:
        domain = OnnxSession(folder / DOMAIN_NAME, threads=threads, outputs=bundle.manifest.domain.outputs)
    check_golden(bundle, session, domain)
    chosen, name = choose_variant(bundle, session, threads=threads, choice=variant)
    return BundlePredictor(bundle, chosen, domain, limits, read_card(folder), measures, name)


def check_golden(bundle: Bundle, session: OnnxSession, domain: OnnxSession | None = None) -> None:
    """Compare the sessions' outputs for the golden photos with those of the trained network.

    Raises:
        BundleError: an output differs by more than ``ATOL + RTOL * |expected|`` (class maps: see ``maps_agree``), or a
            predicted class differs.
    """
    golden = read_golden(bundle)
    temperature = bundle.manifest.temperature
    expected = {LOGITS: golden.logits / temperature, **golden.scores}
    if golden.maps is not None:
        expected[CLASS_MAPS] = golden.maps / temperature
    if golden.embedding is not None and golden.residual is not None:
        expected |= {EMBEDDING: golden.embedding, RESIDUAL: golden.residual}
    outputs = run_singly(session, golden.pixels)
    if domain is not None:
        outputs |= run_singly(domain, golden.pixels)
    wrong, worst = np.zeros(len(golden.pixels), dtype=bool), 0.0
    for name, wanted in expected.items():
        got = outputs[name]
        if got.shape != wanted.shape:
            raise BundleError(
                f"{bundle.folder}: expected {name} of shape {wanted.shape}, got {got.shape}. Export it again."
            )
        if name == CLASS_MAPS and maps_agree(wanted, got):
            continue
        close = np.isclose(got, wanted, rtol=RTOL, atol=ATOL) & np.isfinite(got)
        wrong |= ~close.reshape(len(got), -1).all(axis=1)
        with np.errstate(invalid="ignore"):
            worst = max(worst, float(np.nan_to_num(np.abs(got - wanted), nan=np.inf, posinf=np.inf).max()))
    wrong |= outputs[LOGITS].argmax(axis=1) != expected[LOGITS].argmax(axis=1)
    if wrong.any():
        raise BundleError(
            f"{bundle.folder}: the outputs for {int(wrong.sum())} of {len(wrong)} golden photos differ from those of "
            f"the trained network (largest difference {worst:.3g}). Export the run again."
        )

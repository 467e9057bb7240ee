"""Drift reference of a bundle: what its networks say of photos that logged photos are compared with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import pack_arrays
from petmood.core.drift_reference import ReferenceInfo, ReferenceSource
from petmood.core.graph_outputs import EMBEDDING, LOGITS, MEASURED, RESIDUAL
from petmood.core.image_statistics import STATISTICS_VERSION, image_statistics
from petmood.core.prediction import decide, softmax
from petmood.inference.load import BundlePredictor

__all__ = ["ReferencePhotos", "reference_bytes"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePhotos:
    """Prepared photos uint8 [N, S, S, 3] for a drift reference, at most one of each group.

    ``labels`` int64 [N] are indices of their classes, -1 for photos that the head was fitted to. The projection of the
    embeddings is fitted to the photos ``fit_to`` uint8 [M, S, S, 3] of other groups. Residual norms of the photos that
    it is fitted to are smaller than those of new ones. ``source`` says which photos the reference has.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    fit_to: Pixels
    source: ReferenceSource

    @property
    def info(self) -> ReferenceInfo:
        """The description in the manifest."""
        return ReferenceInfo(photos=self.source, count=len(self.pixels), statistics_version=STATISTICS_VERSION)


def reference_bytes(predictor: BundlePredictor, photos: ReferencePhotos, *, size: int = 32) -> bytes:
    """Return the npz bytes of the drift reference of photos, as the predictor sees them.

    Arrays: ``statistics`` float32 [N, 4], ``embedding`` float16 [N, D] and ``residual`` float32 [N] as the prediction
    log has them, ``probabilities`` float32 [N, K], ``confident`` and ``in_domain`` bool [N]. ``correct`` int8 [N] is 1
    or 0, and -1 where the label is not known or was learned.
    """
    pixels, labels = photos.pixels, photos.labels
    side = predictor.bundle.manifest.image.side_px
    given = pixels if len(pixels) else np.zeros((1, side, side, 3), np.uint8)  # networks take one photo or more
    batches = [np.array(given[start : start + size]) for start in range(0, len(given), size)]
    parts = [predictor.session.run(batch, only=(LOGITS, *MEASURED)) for batch in batches]
    scores = [one for batch in batches for one in predictor.domain_scores(batch)][: len(pixels)]
    outputs = {name: np.concatenate([part[name] for part in parts])[: len(pixels)] for name in (LOGITS, *MEASURED)}
    decision = predictor.bundle.manifest.decision
    found = [
        decide(logits, decision, model=predictor.model, scores=one)
        for logits, one in zip(outputs[LOGITS], scores, strict=True)
    ]
    correct = np.where(labels < 0, -1, outputs[LOGITS].argmax(axis=1) == labels)
    return pack_arrays(
        statistics=image_statistics(pixels),
        embedding=outputs[EMBEDDING].astype(np.float16),
        residual=outputs[RESIDUAL],
        probabilities=softmax(outputs[LOGITS]).astype(np.float32),
        confident=np.array([one.confident for one in found], dtype=np.bool_),
        in_domain=np.array([one.in_domain is not False for one in found], dtype=np.bool_),
        correct=correct.astype(np.int8),
    )

"""Time that the domain scores, with and without scene warnings, add to the answer for a photo of a phone. Target: 5%.

One bundle answers a 12-megapixel photo on one thread, in turn with and without its network of the domain scores. The
network of the model is efficientnet_lite0 at 224 px with random weights.
"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.bundles import SIDE_PX, make_bundle
from benchmarks.common import medians_in_turns, report
from petmood.core.bundle import DOMAIN_NAME
from petmood.core.domain import SCENE_WARNINGS, DomainRule
from petmood.export.domain import FittedDomain, domain_onnx
from petmood.inference.load import load_bundle
from petmood.inference.onnx import OnnxSession
from petmood.models.domain import COMPONENTS, SCENE_WIDTH, WIDTH
from tests.support.images import jpeg, photo_like

__all__ = ["main"]

ROUNDS: Final = 60
TIMES: Final = 1.05


def main() -> None:
    """Measure in turns and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without = load_bundle(make_bundle("efficientnet_lite0", folder / "bundle"))
        sessions = []
        for fitted in (_fitted(), _with_scenes(_fitted())):
            (folder / DOMAIN_NAME).write_bytes(domain_onnx(fitted, side_px=SIDE_PX))
            sessions.append(OnnxSession(folder / DOMAIN_NAME, outputs=fitted.rule.outputs))
        photo = jpeg(photo_like(4032, 3024))
        predictors = (without, *(replace(without, domain=session) for session in sessions))
        plain, scored, warned = medians_in_turns([partial(one.predict, photo) for one in predictors], rounds=ROUNDS)
    for what, took in (("domain scores", scored), ("domain scores and scene warnings", warned)):
        report(
            f"answer to a 12-megapixel photo: with {what} / without",
            ratio=took / plain,
            target=TIMES,
            details={"without_ms": round(1000 * plain, 2), "with_ms": round(1000 * took, 2), "rounds": ROUNDS},
        )


def _fitted() -> FittedDomain:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(WIDTH, COMPONENTS)))[0]
    rule = DomainRule(features="efficientnet_lite0", animal_threshold=0.5, target_false_alarms=0.02)
    return FittedDomain(rng.normal(size=WIDTH) / WIDTH, axes, np.ones(COMPONENTS), 1.0, 1.0, rule)


def _with_scenes(fitted: FittedDomain) -> FittedDomain:
    rng = np.random.default_rng(1)
    rule = fitted.rule.model_copy(update={"scene_warnings": SCENE_WARNINGS})
    return replace(fitted, rule=rule, scene_weights=rng.normal(size=(SCENE_WIDTH, 2)), scene_offsets=rng.normal(size=2))


if __name__ == "__main__":
    main()

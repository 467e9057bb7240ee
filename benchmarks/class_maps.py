"""Time that class maps add to a network's forward pass, whether they are asked for or not. Target: 2%.

The network of one bundle, efficientnet_lite0 at 224 px with random weights, runs on one thread in turn with and without
its class maps as an output. The details have the time of an explanation, and of one by occlusion.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from benchmarks.bundles import SIDE_PX, make_bundle
from benchmarks.common import medians_in_turns, report
from petmood.inference.load import load_bundle
from petmood.inference.occlusion import occlusion_maps
from petmood.inference.onnx import OnnxSession
from tests.support.images import jpeg, photo_like

__all__ = ["main"]

ROUNDS: Final = 100
TIMES: Final = 1.02


def main() -> None:
    """Measure in turns and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictor = load_bundle(make_bundle("efficientnet_lite0", folder / "bundle"))
        network = onnx.load(predictor.bundle.folder / "model.onnx")
        del network.graph.output[1]
        onnx.save(network, folder / "plain.onnx")
        plain = OnnxSession(folder / "plain.onnx")
        pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        photo = jpeg(photo_like(1024, 768))
        without, mapped = _medians(lambda: plain.logits(pixels), lambda: predictor.session.logits(pixels))
        predicted, explained = _medians(lambda: predictor.predict(photo), lambda: predictor.explain(photo))
        whole = predictor.session.logits(pixels)[0]
        (occluded,) = _medians(lambda: occlusion_maps(predictor.session.logits, pixels[0], whole), rounds=5)
    times = {"predict": predicted, "explain": explained, "occlusion": occluded, "network": without}
    report(
        "forward pass of efficientnet_lite0: with class maps / without",
        ratio=mapped / without,
        target=TIMES,
        details={**{f"{name}_ms": round(1000 * value, 2) for name, value in times.items()}, "rounds": ROUNDS},
    )


def _medians(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    return medians_in_turns(works, rounds=rounds, clock=time.thread_time)  # another process may take its turn between


if __name__ == "__main__":
    main()

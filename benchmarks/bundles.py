"""Bundles for the serving benchmarks: any backbone with random weights, made in another process.

Batch norms are warmed up on images of the same size and kind as the requests. Warmed up on others, an efficientnet_b0
of random weights had logits of thousands, on which float32 errors reach 0.2, and the export rejected it.
python -m benchmarks.bundles BACKBONE FOLDER
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from petmood.core.image import ImageSpec
from tests.support.images import faces, jpeg, photo_like

if TYPE_CHECKING:
    from petmood.models.network import ExpressionNet

__all__ = ["main", "make_bundle", "write_photos"]

SIDE_PX = 224


def make_bundle(backbone: str, folder: Path) -> Path:
    """Make the bundle in another process, so that torch's threads and memory don't affect the measurement."""
    command = [sys.executable, "-m", "benchmarks.bundles", backbone, str(folder)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return folder


def write_photos(folder: Path, *, count: int, width: int = SIDE_PX, height: int = SIDE_PX) -> list[str]:
    """Write JPEGs with detail at every scale, like photos; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{width}x{height}-{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(jpeg(photo_like(width, height, seed=number)))
    return [str(path) for path in paths]


def main() -> None:
    """Make the bundle given by the arguments."""
    import torch  # noqa: PLC0415 - in this process only, see above

    from petmood.export.bundle import export_bundle  # noqa: PLC0415 - as above
    from petmood.export.drift_reference import ReferencePhotos  # noqa: PLC0415 - as above
    from petmood.models.network import NetworkSpec, build_network  # noqa: PLC0415 - as above
    from tests.support.networks import facts  # noqa: PLC0415 - as above

    backbone, folder = sys.argv[1], Path(sys.argv[2])
    torch.manual_seed(0)
    image = ImageSpec(side_px=SIDE_PX)
    network = build_network(NetworkSpec(backbone), image=image, classes=4)
    _warm(network, faces(32, side_px=SIDE_PX, seed=1000))
    golden = faces(32, side_px=SIDE_PX)
    reference = ReferencePhotos(golden, np.zeros(len(golden), np.int64), golden, "held_out")
    export_bundle(network, facts(image=image, backbone=backbone), golden=golden, reference=reference, to=folder)


def _warm(network: "ExpressionNet", images: NDArray[np.uint8]) -> None:
    """Warm up batch norms on images, and scale the head so that logits spread as after training."""
    import torch  # noqa: PLC0415 - in the child process only, see above

    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.momentum = None
        for _ in range(3):
            network.train()(batch)
        raw = network.eval()(batch)
        last = [module for module in network.head.modules() if isinstance(module, torch.nn.Linear)][-1]
        scale = 2.0 / raw.std(dim=0).mean()
        last.bias.sub_(raw.mean(dim=0)).mul_(scale)
        last.weight.mul_(scale)


if __name__ == "__main__":
    main()

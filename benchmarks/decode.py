"""Speed and error of reduced JPEG decoding against a full decode. Target: 0.35x, error under 1 gray level.

A 12-megapixel photo, as phones take them, is resized to 224 px by ``core.image.load``. The baseline is Pillow's full
decode followed by the same resize.
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import best_of, report
from petmood.core.image import ImageSpec, load, prepare
from tests.support.images import jpeg, photo_like

__all__ = ["main"]

ROUNDS: Final = 5
TARGET: Final = 0.35
GREY_LEVELS: Final = 1.0


def main() -> None:
    """Measure and report."""
    data = jpeg(photo_like(4000, 3000), quality=90)
    spec = ImageSpec(side_px=224)

    def full() -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(data)) as image:
            return prepare(np.array(image.convert("RGB")), spec)

    def ours() -> NDArray[np.uint8]:
        return load(data, spec).pixels

    seconds = best_of(ROUNDS, full=full, ours=ours)
    difference = float(np.abs(full().astype(np.int16) - ours().astype(np.int16)).mean())
    report(
        "decode: 12-megapixel JPEG to 224 px against a full decode",
        ratio=seconds["ours"] / seconds["full"],
        target=TARGET,
        details={
            "ours_s": round(seconds["ours"], 4),
            "full_s": round(seconds["full"], 4),
            "jpeg_bytes": len(data),
            "mean_difference_grey_levels": round(difference, 3),
        },
        conditions={f"mean difference under {GREY_LEVELS:g} gray level": difference < GREY_LEVELS},
    )


if __name__ == "__main__":
    main()

"""Speed and error of JPEG decoding. Targets: 0.35x of a full decode with an error under 1 gray level; 1.0x of Pillow.

A 12-megapixel photo, as phones take them, is resized to 224 px by ``core.image.load``. The baseline is Pillow's full
decode followed by the same resize. Photos of usual sizes are decoded by ``core.photo.decode``, and by Pillow at the
same scale; the pixels must be equal.
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import best_of, report
from petmood.core.image import ImageSpec, load, prepare
from petmood.core.photo import decode
from tests.support.images import jpeg, photo_like

__all__ = ["main"]

ROUNDS: Final = 5
TARGET: Final = 0.35
BESIDE_PILLOW: Final = 1.0
SIDE_PX: Final = 224
USUAL: Final = ((320, 240), (640, 480), (1280, 960))
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
    beside_pillow()


def beside_pillow() -> None:
    """Compare the decoder with Pillow's on photos of usual sizes, and report."""
    files = [jpeg(photo_like(width, height), quality=88) for width, height in USUAL]

    def by_pillow() -> list[NDArray[np.uint8]]:
        found = []
        for data in files:
            with Image.open(io.BytesIO(data)) as image:
                scale = SIDE_PX / min(image.size)
                image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
                found.append(np.asarray(image.convert("RGB")))
        return found

    def ours() -> list[NDArray[np.uint8]]:
        return [decode(data, at_least_px=SIDE_PX).pixels for data in files]

    seconds = best_of(5 * ROUNDS, pillow=by_pillow, ours=ours)
    equal = all(np.array_equal(*pair) for pair in zip(by_pillow(), ours(), strict=True))
    report(
        "decode: JPEG of usual sizes, with all checks, against Pillow's decoder alone",
        ratio=seconds["ours"] / seconds["pillow"],
        target=BESIDE_PILLOW,
        details={"sizes": USUAL, "ours_s": round(seconds["ours"], 5), "pillow_s": round(seconds["pillow"], 5)},
        conditions={"the pixels are equal": equal},
    )


if __name__ == "__main__":
    main()

"""Decoding of usual JPEG files by libjpeg-turbo itself, in less time than by Pillow and to the same pixels.

simplejpeg passes the bytes to libjpeg-turbo at once; Pillow passes them in blocks, and copies the pixels once more.
Pillow decodes or refuses what is left out here: other color modes, files of many scans, and files that libjpeg-turbo
warns of.
"""

from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

__all__ = ["MAX_JPEG_SCANS", "jpeg_pixels"]

MAX_JPEG_SCANS: Final = 100
"""A progressive JPEG has about ten scans. Each scan updates all pixels and can be as short as 14 bytes, so 1 MB of
scans occupies a thread for minutes."""
MODES: Final = frozenset({"RGB", "L"})
SCAN: Final = b"\xff\xda"


def jpeg_pixels(data: bytes, *, mode: str, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Return RGB pixels, uint8 [H, W, 3], or None if Pillow should decode the file.

    ``mode`` and ``size`` (W, H) are those of Pillow's header; ``size`` may be the one at 1/2, 1/4 or 1/8 scale.
    """
    if mode not in MODES or data.count(SCAN) > MAX_JPEG_SCANS:
        return None
    width, height = size
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width)
    except ValueError:  # also a warning of libjpeg-turbo, such as one of missing bytes
        return None
    return pixels if pixels.shape == (height, width, 3) else None

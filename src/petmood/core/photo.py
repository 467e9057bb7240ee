"""Safe decoding of untrusted image bytes to RGB pixels.

Measured with Pillow's defaults: a 0.5 MB PNG can need 660 MiB, ``verify()`` accepts half a JPEG, 16-bit gray saturates
on conversion and EPS starts Ghostscript. Therefore this module restricts the formats, checks limits on the header, and
converts the color modes.
"""

import hashlib
import io
import logging
import threading
import warnings
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from petmood.core.errors import (
    CorruptImage,
    MissingDependency,
    PhotoError,
    TooManyPixels,
    UnsupportedFormat,
)
from petmood.core.extras import require
from petmood.core.jpeg import MAX_JPEG_SCANS, jpeg_pixels
from petmood.core.photo_limits import LIMITS, REDUCIBLE, ImageLimits, check_size, read_bounded
from petmood.core.photo_repair import may_be_whole, repaired

__all__ = ["BACKGROUND", "EXIF_ORIENTATION", "FORMATS", "LIMITS", "PHOTO_SUFFIXES", "ImageLimits", "Photo", "decode"]

PHOTO_SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp"),
        *(".bmp", ".dib", ".gif", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"),
    }
)
"""Suffixes of photos in folders, archives and the page's uploader; a file's content decides on its format.

TIFF is listed but not decoded: its decoder is the largest one of Pillow. A `.tif` file is therefore refused with its
reason everywhere, and never passed over."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
"""Formats that Pillow may open; HEIC needs the extra 'heic'. MPO files of phones are opened as JPEG."""

BACKGROUND: Final = (128, 128, 128)
"""Gray that transparent pixels are composited over, in training and in serving."""

HEIF_BRANDS: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
SIGNATURES: Final = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM")
EXIF_ORIENTATION: Final = 0x0112
MAX_READS: Final = 300_000
"""Parsing a valid 30 MB GIF takes 240,000 reads; 30 MB of three-byte comments would take 20 s."""
MAX_EXIF_CHUNKS: Final = 64
"""Pillow joins a JPEG's EXIF segments (64 kB each) one by one, in quadratic time."""
LARGE_PIXELS: Final = 16_000_000
"""Images above this size are decoded one at a time: color conversion of 64 megapixels needs over a gigabyte, and the
WebP file can be as small as 38 bytes."""
_header_lock = threading.Lock()
_large_lock = threading.Lock()
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Photo:
    """One decoded photo, upright.

    ``pixels`` is uint8 [H, W, 3] RGB, possibly at a reduced scale. ``width`` and ``height`` are the file's, upright;
    ``mode`` is the file's color mode; ``warnings`` are messages for the user. ``orientation`` is that of the EXIF data,
    by which the pixels were turned.
    """

    pixels: NDArray[np.uint8]
    format: str
    width: int
    height: int
    mode: str
    warnings: tuple[str, ...] = ()
    orientation: int = 1
    animated: bool = False
    repaired: bool = False


def decode(
    source: bytes | Path,
    *,
    limits: ImageLimits = LIMITS,
    at_least_px: int | None = None,
    background: tuple[int, int, int] = BACKGROUND,
) -> Photo:
    """Decode a photo completely to upright RGB; the format is detected from the content, not from a name or type.

    With ``at_least_px`` a JPEG may be decoded at 1/2, 1/4 or 1/8 scale if its shorter side keeps that length. A file
    that lacks only its end marker, or has damaged metadata, is decoded with a warning; see ``core.photo_repair``.

    Raises:
        PhotoError: one of its subclasses, see ``core.errors``.
        OSError: the path can't be read.
    """
    data = read_bounded(source, limits)
    decode_data = partial(_decode, limits=limits, at_least_px=at_least_px, background=background)
    cause: Exception | None = None
    if may_be_whole(data):
        try:
            return decode_data(data)
        except PhotoError:
            raise
        except Image.DecompressionBombError as error:
            message = f"Expected at most {limits.pixels:,} pixels, got far more. Send a smaller copy."
            raise TooManyPixels(message) from error
        except Exception as error:  # a decoder may raise anything on untrusted bytes; the user gets one message
            logger.debug("photo rejected", exc_info=True)
            if isinstance(error, UnidentifiedImageError) and not data.startswith(SIGNATURES):
                raise UnsupportedFormat(_unsupported(data)) from error
            cause = _without_frames(error)
    found = repaired(
        data,
        digest_of=lambda candidate: _digest(candidate, limits=limits, at_least_px=at_least_px),
        sketch_of=lambda candidate: _decode(candidate, limits=limits, at_least_px=1).pixels.tobytes(),
    )
    if found is not None:
        with suppress(Exception):
            photo = decode_data(found[0])
            return replace(photo, warnings=(*photo.warnings, found[1]), repaired=True)
    message = "Expected a complete image, got a truncated or corrupt file. Send the original file again."
    raise CorruptImage(message) from cause


def _without_frames(error: Exception) -> Exception:
    """Return an error without the frames of itself and of its causes: they hold the pixels."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def _decode(
    data: bytes, *, limits: ImageLimits, at_least_px: int | None, background: tuple[int, int, int] = BACKGROUND
) -> Photo:
    with _open_header(data) as image:
        check_size(image, limits, may_reduce=at_least_px is not None)
        with _large_lock if _is_large(image) else nullcontext():
            return _decode_open(image, data, limits=limits, at_least_px=at_least_px, background=background)


def _digest(data: bytes, *, limits: ImageLimits, at_least_px: int | None) -> bytes:
    """Return the SHA-256 of a photo's pixels, at half scale if it is large and may be reduced, else at full scale.

    At an eighth only the mean of each block is decoded, so differences would not be seen.
    """
    with _open_header(data) as image:
        (width, height), slow = image.size, _is_large(image)
    if slow:
        raise TooManyPixels(f"Expected at most {LARGE_PIXELS:,} pixels of a progressive JPEG without an end marker.")
    large = width * height > LARGE_PIXELS
    if at_least_px is not None:
        at_least_px = max(at_least_px, min(width, height) // (2 if large else 1))
    with _large_lock if large else nullcontext():
        return hashlib.sha256(_decode(data, limits=limits, at_least_px=at_least_px).pixels.tobytes()).digest()


class _BoundedReader(io.BytesIO):
    """BytesIO that raises after too many reads or JPEG scans (guard against decompression bombs).

    Scans are counted in the bytes that the decoder reads; data after the image, such as a motion photo's video, is not
    read.

    Raises:
        CorruptImage: more than ``MAX_READS`` reads or ``MAX_JPEG_SCANS`` scans.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = self.scans = 0
        self._is_jpeg = data.startswith(b"\xff\xd8")

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        data = super().read(size)
        if self._is_jpeg and len(data) > 1024:
            self.scans += data.count(b"\xff\xda")
        if self.reads > MAX_READS or self.scans > MAX_JPEG_SCANS:
            raise CorruptImage(
                f"Expected an image of at most {MAX_READS:,} data blocks and {MAX_JPEG_SCANS} JPEG scans, got more. "
                "Save the photo again in an image editor."
            )
        return data


def _open_header(data: bytes) -> Image.Image:
    if data.count(b"Exif\0\0") > MAX_EXIF_CHUNKS:
        raise CorruptImage(f"Expected at most {MAX_EXIF_CHUNKS} EXIF segments, got more. Remove the photo's metadata.")
    formats = [*FORMATS]
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        _allow_heif()
        formats.append("HEIF")
    # The limit here is lower than Pillow's and has a clearer message, so Pillow's warning is suppressed. Warning
    # filters are process-wide, hence the lock; it is held only while the header is read.
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(_BoundedReader(data), formats=formats)


def _allow_heif() -> None:
    try:
        require("pillow_heif", extra="heic").register_heif_opener()
    except MissingDependency as error:
        raise UnsupportedFormat(f"Expected JPEG, PNG, WebP, GIF, BMP or AVIF, got HEIC. {error}") from error


def _is_large(image: Image.Image) -> bool:
    """Return whether to decode an image under the lock for large images.

    A sequential JPEG is exempt: it is decoded in rows, at a reduced scale. A progressive one needs six bytes a pixel.
    """
    by_rows = image.format in REDUCIBLE and not image.info.get("progressive")
    return image.width * image.height > LARGE_PIXELS and not by_rows


def _decode_open(
    image: Image.Image, data: bytes, *, limits: ImageLimits, at_least_px: int | None, background: tuple[int, int, int]
) -> Photo:
    animated = getattr(image, "is_animated", False) and image.format != "MPO"
    notes = ("Animated image: only the first frame was used.",) if animated else ()
    file_format, mode, (width, height) = image.format or "", image.mode, image.size
    if at_least_px is not None and file_format in REDUCIBLE:
        image.draft(image.mode, _draft_size(width, height, at_least_px))
        if image.width * image.height > limits.pixels:
            allowed = f"at most {limits.pixels:,} pixels at this scale"
            raise TooManyPixels(f"Expected {allowed}, got {width}x{height}. Send a smaller copy.")
    pixels = jpeg_pixels(data, mode=image.mode, size=image.size) if file_format in REDUCIBLE else None
    if pixels is None:
        image.load()
        pixels = np.asarray(_to_rgb(image, background))
    orientation = _orientation(image)
    if orientation >= 5:
        width, height = height, width
    upright = _turned(pixels, orientation)
    return Photo(upright, file_format, width, height, mode, notes, orientation=orientation, animated=bool(animated))


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return pixels as they are seen, by the orientation of the EXIF data: 1 to 8, others are upright."""
    if 5 <= orientation <= 8:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _draft_size(width: int, height: int, at_least_px: int) -> tuple[int, int]:
    scale = at_least_px / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - invalid metadata must not reject the photo
        return 1
    return value if isinstance(value, int) else 1  # pillow_heif has already rotated a HEIC and reports 1


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow would saturate
        grey = np.clip(np.asarray(image, dtype=np.float64) / 257.0, 0, 255)
        return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGBA", rgba.size, (*background, 255))
        return Image.alpha_composite(canvas, rgba).convert("RGB")
    return image.convert("RGB")


def _unsupported(data: bytes) -> str:
    kind = "SVG" if b"<svg" in data[:4096].lower() else _kind_of(data)
    return f"Expected JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC, got {kind}. Save the photo as JPEG and send that."


def _kind_of(data: bytes) -> str:
    tiff = dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF")  # both byte orders, and BigTIFF
    for signature, kind in ({b"%PDF": "PDF", b"%!PS": "EPS", b"PK\x03\x04": "a ZIP archive"} | tiff).items():
        if data.startswith(signature):
            return kind
    return "an unknown format"

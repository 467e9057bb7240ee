"""Synthetic demo dataset: class folders of drawn pet faces, with near-duplicates and planted flaws."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import EXIF_ORIENTATION
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.synthetic.animal_faces import SPECIES, draw_face

__all__ = ["COPY_SHARE", "FLAWS", "SIDES_PX", "draw_face", "write_demo"]

SIDES_PX = (160, 208)
"""Smallest and largest side of a drawn photo."""

COPY_SHARE = 0.1
"""Share of augmented copies among the photos, as in published datasets."""

FLAWS = {
    "happy/flaw-truncated.jpg": "a JPEG cut at half",
    "happy/flaw-empty.jpg": "a file of zero bytes",
    "happy/flaw-one-pixel.png": "an image of 1x1 pixel",
    "sad/flaw-text.jpg": "a text named .jpg",
    "sad/flaw-cmyk.jpg": "a CMYK JPEG",
    "sad/flaw-grey16.png": "a 16-bit gray PNG",
    "angry/flaw-turned.jpg": "a photo rotated by EXIF",
    "angry/flaw-transparent.png": "an RGBA PNG",
    "other/twin-flaw-exact-duplicate.jpg": "a byte-for-byte duplicate",
    "happy/flaw-relabelled.jpg": "a near-duplicate of an angry photo",
    "confused/flaw-class.jpg": "a photo in an unknown class folder",
}
"""Planted flaws, by file name."""


@dataclass(frozen=True, slots=True)
class _Plan:
    label: str
    species: str
    seed: int
    copy_of: int | None = None


def write_demo(
    folder: Path, *, photos: int = 800, seed: int = 0, flaws: bool = True, progress: ProgressBar = no_progress
) -> None:
    """Draw `photos` photos into the class folders of `folder`, and the flaws of `FLAWS` beside them.

    Classes are equally frequent and independent of species. A tenth of the photos are mirrored, cropped or recolored
    copies of others. File names begin with the species. The same seed writes the same bytes. Raises DataError if there
    are too few photos for splits of every class.
    """
    fewest = 8 * len(DEFAULT_CLASSES)
    if photos < fewest:
        raise DataError(f"Expected at least {fewest} demo photos, got {photos}.")
    plans = _plan(photos, seed=seed)
    for number, plan in enumerate(progress(plans, total=len(plans), what="drawing pets")):
        path = folder / plan.label / f"{plan.species}-{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_draw(plan, plans))
    if flaws:
        twin = next(plan for plan in plans if plan.label == "other")
        for name, data in (*_flaws(seed=seed), ("other/twin-flaw-exact-duplicate.jpg", _draw(twin, plans))):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def _plan(photos: int, *, seed: int) -> list[_Plan]:
    rng = np.random.default_rng([seed, 1])
    originals = photos - int(photos * COPY_SHARE)
    species = rng.integers(len(SPECIES), size=originals)
    plans = [
        _Plan(DEFAULT_CLASSES[k % len(DEFAULT_CLASSES)], SPECIES[int(species[k])], int(rng.integers(2**62)))
        for k in range(originals)
    ]
    for k in range(photos - originals):
        first = int(rng.integers(originals // len(DEFAULT_CLASSES))) * len(DEFAULT_CLASSES) + k % len(DEFAULT_CLASSES)
        twin = plans[first]
        plans.append(_Plan(twin.label, twin.species, int(rng.integers(2**62)), copy_of=first))
    return plans


def _draw(plan: _Plan, plans: list[_Plan]) -> bytes:
    if plan.copy_of is None:
        return _jpeg(_photo(plan))
    return _jpeg(_copy(_photo(plans[plan.copy_of]), np.random.default_rng(plan.seed)))


def _photo(plan: _Plan) -> Image.Image:
    rng = np.random.default_rng(plan.seed)
    side_px = int(rng.integers(SIDES_PX[0], SIDES_PX[1] + 1))
    return Image.fromarray(draw_face(plan.label, plan.species, rng=rng, side_px=side_px))


def _copy(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    kind = int(rng.integers(3))
    if kind == 0:
        return ImageOps.mirror(photo)
    if kind == 1:
        left, top = (round(photo.width * float(v)) for v in rng.uniform(0.02, 0.08, size=2))
        return photo.crop((left, top, photo.width - top, photo.height - left)).resize(photo.size)
    recoloured = ImageEnhance.Color(photo).enhance(float(rng.uniform(0.4, 1.6)))
    return ImageEnhance.Brightness(recoloured).enhance(float(rng.uniform(0.75, 1.2)))


def _jpeg(photo: Image.Image, *, exif: Image.Exif | None = None) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=90, **({} if exif is None else {"exif": exif}))
    return buffer.getvalue()


def _png(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    return buffer.getvalue()


def _flaws(*, seed: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng([seed, 2])

    def face(label: str) -> Image.Image:
        return Image.fromarray(draw_face(label, SPECIES[int(rng.integers(len(SPECIES)))], rng=rng, side_px=192))

    jpeg = _jpeg(face("happy"))
    yield "happy/flaw-truncated.jpg", jpeg[: len(jpeg) // 2]
    yield "happy/flaw-empty.jpg", b""
    yield "happy/flaw-one-pixel.png", _png(Image.new("RGB", (1, 1), (200, 90, 60)))
    yield "sad/flaw-text.jpg", b"This is a text, not a photo.\n"
    yield "sad/flaw-cmyk.jpg", _jpeg(face("sad").convert("CMYK"))
    grey = np.asarray(face("sad").convert("L")).astype(np.uint16) * 257
    yield "sad/flaw-grey16.png", _png(Image.fromarray(grey))
    turned = Image.Exif()
    turned[EXIF_ORIENTATION] = 6
    yield "angry/flaw-turned.jpg", _jpeg(face("angry").transpose(Image.Transpose.ROTATE_90), exif=turned)
    transparent = face("angry").convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    yield "angry/flaw-transparent.png", _png(transparent)
    conflict = face("angry")
    yield "angry/flaw-relabelled-twin.jpg", _jpeg(conflict)
    yield "happy/flaw-relabelled.jpg", _jpeg(ImageOps.mirror(conflict))
    yield "confused/flaw-class.jpg", _jpeg(face("other"))

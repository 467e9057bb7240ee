"""Fixed set of about 200 images without a pet, made offline, to measure whether a model rejects them.

The photos are read from the installed packages. No image is stored in this repository or fetched from the network.

- scikit-image has most photos in its wheel (``skimage/data``). The docstrings of ``skimage.data`` give their sources.
- Its 100 faces of 25 x 25 pixels are from Labeled Faces in the Wild (Huang et al., 2007).
- scikit-learn has china.jpg and flower.jpg (``sklearn/datasets/images``), by danielbuechele and vultilion, CC BY 2.0.

Left out are the cat, the horse, the logo (a snake) and files that scikit-image would download. All else is drawn by
Pillow and numpy with fixed seeds. The pixels are equal for equal versions of Pillow and numpy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import DataError
from petmood.core.extras import require
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic.animal_faces import SPECIES, draw_face
from petmood.evaluation.non_pet_drawings import draw_flat_colors, draw_gradients, draw_noise, draw_objects
from petmood.evaluation.non_pet_texts import draw_screenshots, draw_text

__all__ = ["NonPet", "NonPetKind", "non_pets"]

Pixels = NDArray[np.uint8]
Named = Iterator[tuple[str, Image.Image]]

CROP_SHARE: Final = 0.6
"""Side of a corner crop, as a share of the photo's shorter side."""
FACES: Final = 20
FACE_SIDE_PX: Final = 224

_TOP: Final = ("top-left", "top-right")
_BOTTOM: Final = ("bottom-left", "bottom-right")
_CORNERS: Final = _TOP + _BOTTOM
_OPPOSITE: Final = ("top-left", "bottom-right")
"""For textures, whose crops are alike."""

_OBJECT_PHOTOS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "brick.png": _OPPOSITE,
        "cell.png": ("bottom-right",),
        "china.jpg": _CORNERS,
        "clock_motion.png": (),
        "coffee.png": _CORNERS,
        "coins.png": _CORNERS,
        "flower.jpg": _CORNERS,
        "grass.png": _OPPOSITE,
        "gravel.png": _OPPOSITE,
        "hubble_deep_field.jpg": _OPPOSITE,
        "ihc.png": _CORNERS,
        "microaneurysms.png": (),
        "moon.png": _CORNERS,
        "motorcycle_left.png": _CORNERS,
        "retina.jpg": _CORNERS,
        "rocket.jpg": _CORNERS,
    }
)
"""Photos of things and places, each with the corners that still show something."""
_OBJECT_CROPS: Final = MappingProxyType({"astronaut.png": _BOTTOM, "camera.png": ("bottom-right",)})
"""Corners of photos of people that show a helmet, a space suit and a tripod, but no face."""
_PEOPLE_PHOTOS: Final = MappingProxyType({"astronaut.png": _TOP, "camera.png": _TOP})
_TEXT_PHOTOS: Final = MappingProxyType({"page.png": _CORNERS, "text.png": (*_TOP, "bottom-left")})
_DRAWN_FILES: Final = ("chessboard_RGB.png", "color.png", "phantom.png")
_SCIKIT_IMAGE: Final = ("scikit-image", "skimage/data")
_SCIKIT_LEARN: Final = ("scikit-learn", "sklearn/datasets/images")
_SCIKIT_LEARN_PHOTOS: Final = frozenset({"china.jpg", "flower.jpg"})


class NonPetKind(StrEnum):
    """What an image shows; the value names the kind in reports."""

    OBJECTS = "objects"
    PEOPLE = "people"
    TEXT = "text"
    SCREENSHOTS = "screenshots"
    FLAT_COLORS = "flat_colors"
    GRADIENTS = "gradients"
    NOISE = "noise"
    DRAWN_OBJECTS = "drawn_objects"
    DEMO_DRAWINGS = "demo_drawings"


@dataclass(frozen=True, slots=True, eq=False)
class NonPet:
    """One image without a pet: its kind, its name, unique within the kind, and uint8 pixels [H, W, 3] in RGB.

    Images of one kind whose names are equal before the slash are parts of one photo, so they are not independent.
    """

    kind: NonPetKind
    name: str
    pixels: Pixels


def non_pets(*, drawings: bool = True) -> list[NonPet]:
    """Return the images, ordered by kind; about 80 MB, the same on every call.

    Args:
        drawings: include the demo dataset's drawn animals; False for a model that was trained on them.

    Raises:
        MissingDependency: scikit-image or scikit-learn is not installed.
        DataError: the installed version of a package lacks one of the photos.
    """
    kinds = [kind for kind in NonPetKind if drawings or kind is not NonPetKind.DEMO_DRAWINGS]
    return [NonPet(kind, name, np.array(image)) for kind in kinds for name, image in _MAKERS[kind]()]


def _objects() -> Named:
    for file, corners in _OBJECT_PHOTOS.items():
        yield from _whole_and_crops(file, corners)
    for file, corners in _OBJECT_CROPS.items():
        yield from _crops(file, _photo(file), corners)


def _people() -> Named:
    for file, corners in _PEOPLE_PHOTOS.items():
        yield from _whole_and_crops(file, corners)
    with _packaged("lfw_subset.npy").open("rb") as stream:
        faces = np.load(stream, allow_pickle=False)[:100]  # [200, 25, 25] in 0..1; the second half has no faces
    size = (FACE_SIDE_PX, FACE_SIDE_PX)
    for number in range(0, len(faces), len(faces) // FACES):
        face = Image.fromarray(np.rint(faces[number] * 255).astype(np.uint8)).convert("RGB")
        yield f"lfw-{number}", face.resize(size, Image.Resampling.BICUBIC)


def _text() -> Named:
    for file, corners in _TEXT_PHOTOS.items():
        yield from _whole_and_crops(file, corners)
    yield from draw_text()


def _drawn_objects() -> Named:
    for file in _DRAWN_FILES:
        yield file.partition(".")[0], _photo(file)
    yield from draw_objects()


def _demo_drawings() -> Named:
    for number, (species, label) in enumerate((species, label) for species in SPECIES for label in DEFAULT_CLASSES):
        yield f"{species}-{label}", Image.fromarray(draw_face(label, species, rng=np.random.default_rng(number)))


_MAKERS: Final[Mapping[NonPetKind, Callable[[], Named]]] = MappingProxyType(
    {
        NonPetKind.OBJECTS: _objects,
        NonPetKind.PEOPLE: _people,
        NonPetKind.TEXT: _text,
        NonPetKind.SCREENSHOTS: draw_screenshots,
        NonPetKind.FLAT_COLORS: draw_flat_colors,
        NonPetKind.GRADIENTS: draw_gradients,
        NonPetKind.NOISE: draw_noise,
        NonPetKind.DRAWN_OBJECTS: _drawn_objects,
        NonPetKind.DEMO_DRAWINGS: _demo_drawings,
    }
)


def _whole_and_crops(file: str, corners: tuple[str, ...]) -> Named:
    photo = _photo(file)
    yield f"{file.partition('.')[0]}/whole", photo
    yield from _crops(file, photo, corners)


def _crops(file: str, photo: Image.Image, corners: tuple[str, ...]) -> Named:
    side = int(min(photo.size) * CROP_SHARE)
    for corner in corners:
        x = photo.width - side if corner.endswith("right") else 0
        y = photo.height - side if corner.startswith("bottom") else 0
        yield f"{file.partition('.')[0]}/{corner}", photo.crop((x, y, x + side, y + side))


def _photo(file: str) -> Image.Image:
    with _packaged(file).open("rb") as stream, Image.open(stream) as image:
        return image.convert("RGB")


def _packaged(file: str) -> Traversable:
    """Return a file of scikit-image or scikit-learn, opened as a plain file so that no download can start."""
    package, path = _SCIKIT_LEARN if file in _SCIKIT_LEARN_PHOTOS else _SCIKIT_IMAGE
    module, _, folder = path.partition("/")
    require(module, extra="train")
    found = files(module) / folder / file
    if not found.is_file():
        raise DataError(
            f"Expected the photo {path}/{file} in the installed {package}, got no such file. "
            f"Install the version of {package} that petmood's constraints.txt names."
        )
    return found

"""Tests of the images without a pet: counts, crops, repeatability, and no use of the network."""

import re
import socket
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError, MissingDependency
from petmood.evaluation.non_pets import NonPet, NonPetKind, non_pets

COUNTS = {
    "objects": 64,
    "people": 26,
    "text": 21,
    "screenshots": 12,
    "flat_colors": 14,
    "gradients": 12,
    "noise": 16,
    "drawn_objects": 21,
    "demo_drawings": 20,
}


@pytest.fixture(scope="module")
def images() -> list[NonPet]:
    return non_pets()


def names(images: list[NonPet], kind: str) -> list[str]:
    return [image.name for image in images if image.kind == kind]


def test_every_kind_has_its_number_of_images_in_the_order_of_the_kinds(images: list[NonPet]) -> None:
    assert Counter(image.kind for image in images) == COUNTS
    assert list(dict.fromkeys(image.kind for image in images)) == list(NonPetKind) == list(COUNTS)


def test_every_image_is_rgb_and_large_enough_for_a_service(images: list[NonPet]) -> None:
    for image in images:
        assert image.pixels.dtype == np.uint8
        assert image.pixels.ndim == 3
        assert image.pixels.shape[2] == 3
        assert 100 <= min(image.pixels.shape[:2]) <= max(image.pixels.shape[:2]) <= 1411
        assert image.pixels.flags.c_contiguous
        assert image.pixels.flags.writeable


def test_names_are_unique_within_a_kind_and_no_two_images_are_alike(images: list[NonPet]) -> None:
    assert len({(image.kind, image.name) for image in images}) == len(images)
    assert len({(image.pixels.shape, image.pixels.tobytes()) for image in images}) == len(images)


def test_a_second_build_needs_no_network_and_has_the_same_pixels_without_the_demo_drawings(
    images: list[NonPet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setitem(sys.modules, "skimage.data._fetchers", None)  # the module that downloads

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"a socket was opened: {args} {kwargs}")

    monkeypatch.setattr(socket, "socket", refuse)
    again = non_pets(drawings=False)
    kept = [image for image in images if image.kind != NonPetKind.DEMO_DRAWINGS]
    assert len(again) == len(kept) == 186
    for first, second in zip(kept, again, strict=True):
        assert (first.kind, first.name) == (second.kind, second.name)
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_crops_are_the_corners_of_their_photo(images: list[NonPet]) -> None:
    wholes = {image.name.partition("/")[0]: image.pixels for image in images if image.name.endswith("/whole")}
    crops = [image for image in images if "/" in image.name and not image.name.endswith("/whole")]
    assert (len(wholes), len(crops)) == (20, 59)
    for image in crops:
        photo, _, corner = image.name.partition("/")
        whole = wholes[photo]
        side = min(whole.shape[:2]) * 6 // 10
        rows = slice(None, side) if corner.startswith("top-") else slice(-side, None)
        columns = slice(None, side) if corner.endswith("-left") else slice(-side, None)
        np.testing.assert_array_equal(image.pixels, whole[rows, columns], err_msg=image.name)


def test_crops_of_people_without_a_face_are_objects(images: list[NonPet]) -> None:
    people = ("whole", "top-left", "top-right")
    faces = [f"lfw-{number}" for number in range(0, 100, 5)]
    assert names(images, "people") == [
        *(f"{photo}/{part}" for photo in ("astronaut", "camera") for part in people),
        *faces,
    ]
    assert names(images, "objects")[-3:] == ["astronaut/bottom-left", "astronaut/bottom-right", "camera/bottom-right"]


def test_no_photo_shows_an_animal_and_flat_crops_are_left_out(images: list[NonPet]) -> None:
    photos = Counter(name.partition("/")[0] for name in names(images, "objects"))
    assert photos == {
        "astronaut": 2, "brick": 3, "camera": 1, "cell": 2, "china": 5, "clock_motion": 1, "coffee": 5, "coins": 5,
        "flower": 5, "grass": 3, "gravel": 3, "hubble_deep_field": 3, "ihc": 5, "microaneurysms": 1, "moon": 5,
        "motorcycle_left": 5, "retina": 5, "rocket": 5,
    }  # fmt: skip
    for image in images:
        if image.kind == NonPetKind.OBJECTS:
            assert image.pixels.std() > 6, image.name


def test_the_enlarged_faces_are_gray_and_use_most_of_the_range(images: list[NonPet]) -> None:
    faces = [image.pixels for image in images if image.name.startswith("lfw-")]
    assert {face.shape for face in faces} == {(224, 224, 3)}
    for face in faces:
        np.testing.assert_array_equal(face[..., 0], face[..., 2])
        assert np.ptp(face) > 100


def test_every_class_of_every_species_is_among_the_demo_drawings(images: list[NonPet]) -> None:
    species, labels = ("cat", "dog", "hamster", "horse", "rabbit"), ("angry", "happy", "other", "sad")
    assert names(images, "demo_drawings") == [f"{animal}-{label}" for animal in species for label in labels]


def test_a_photo_that_a_package_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("petmood.evaluation.non_pets.files", lambda module: tmp_path / module)
    message = (
        "Expected the photo skimage/data/brick.png in the installed scikit-image, got no such file. "
        "Install the version of scikit-image that petmood's constraints.txt names."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        non_pets()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingDependency, match=r"^'skimage' is not installed\. Install it with: .*petmood\[train\]"):
        non_pets()

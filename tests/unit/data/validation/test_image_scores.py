"""Tests of image scores: values worked out by hand, and altered photos beside the photo itself."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.validation.image_scores import image_scores, size_scores
from petmood.data.validation.issue_kinds import IssueKind
from tests.support.images import photo_like

PHOTO = photo_like(320, 240, seed=3)


def kinds(pixels: NDArray[np.uint8]) -> set[IssueKind]:
    """Return the kinds of issues of an image."""
    height, width = pixels.shape[:2]
    return set(image_scores(pixels, width=width, height=height).issues)


def test_a_usual_photo_has_no_issue() -> None:
    assert kinds(PHOTO) == set()


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (PHOTO // 5, IssueKind.DARK),
        (250 + PHOTO // 51, IssueKind.LIGHT),
        (cv2.GaussianBlur(PHOTO, (0, 0), 25), IssueKind.BLURRY),
        (np.full((240, 320, 3), (90, 120, 150), np.uint8), IssueKind.LOW_INFORMATION),
        (np.repeat(PHOTO.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2), IssueKind.GRAYSCALE),
        (np.ascontiguousarray(PHOTO[:60]), IssueKind.ODD_ASPECT_RATIO),
    ],
    ids=["dark", "light", "blurry", "low_information", "grayscale", "odd_aspect_ratio"],
)
def test_an_altered_photo_has_the_issue(pixels: NDArray[np.uint8], kind: IssueKind) -> None:
    assert kind in kinds(pixels)


def test_dark_and_light_are_percentiles_of_perceived_brightness() -> None:
    """Brightness is the square root of 0.241 R^2 + 0.691 G^2 + 0.068 B^2, here of one color: 255 sqrt(0.241) / 255."""
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = 255
    scores = image_scores(red, width=10, height=10).scores
    assert scores[IssueKind.DARK] == pytest.approx(0.241**0.5)
    assert scores[IssueKind.LIGHT] == pytest.approx(1 - 0.241**0.5)


def test_information_is_a_tenth_of_the_entropy_in_bits() -> None:
    """Four gray levels, each in a quarter of the pixels, are two bits."""
    gray = np.repeat(np.array([0, 80, 160, 240], np.uint8), 4).reshape(4, 4)
    scores = image_scores(np.stack([gray] * 3, axis=2), width=4, height=4).scores
    assert scores[IssueKind.LOW_INFORMATION] == pytest.approx(0.2)
    assert scores[IssueKind.GRAYSCALE] == 0


def test_the_aspect_ratio_is_that_of_the_file_and_not_of_reduced_pixels() -> None:
    found = image_scores(PHOTO, width=1000, height=4000)
    assert found.scores[IssueKind.ODD_ASPECT_RATIO] == 0.25
    assert found.side_px == 2000


def test_blur_does_not_depend_on_the_size_of_the_photo() -> None:
    large = np.asarray(cv2.resize(PHOTO, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), np.uint8)
    small, big = (image_scores(one, width=4, height=3).scores[IssueKind.BLURRY] for one in (PHOTO, large))
    assert small == pytest.approx(big, abs=0.03)


def test_a_drawing_with_few_gray_levels_is_not_called_blurry() -> None:
    flat = np.full((200, 200, 3), 255, np.uint8)
    flat[80:90, 80:90] = (200, 40, 40)
    assert IssueKind.BLURRY not in kinds(flat)


def test_a_size_is_odd_beyond_three_interquartile_ranges() -> None:
    """Quartiles 150 and 250: the limits are 150 - 300 and 250 + 300, and 550 itself is not odd."""
    scores, odd = size_scores([100, 150, 200, 250, 551])
    assert odd.tolist() == [False, False, False, False, True]
    assert scores[2] == 1
    assert size_scores([100, 150, 200, 250, 550])[1].tolist() == [False] * 5


def test_among_equal_sizes_a_few_pixels_are_not_odd_and_a_third_of_the_side_is() -> None:
    assert size_scores([224.0] * 9 + [200, 150])[1].tolist() == [False] * 10 + [True]
    assert size_scores([])[1].tolist() == []

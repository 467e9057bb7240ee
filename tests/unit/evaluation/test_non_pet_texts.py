"""Tests of drawn text and screenshots: words that fill the image, sizes and themes."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from petmood.evaluation.non_pet_texts import draw_screenshots, draw_text

SCREENS = ("settings", "chat", "table", "chart", "editor", "form")


@pytest.fixture(scope="module")
def texts() -> dict[str, Image.Image]:
    return dict(draw_text())


@pytest.fixture(scope="module")
def screens() -> dict[str, Image.Image]:
    return dict(draw_screenshots())


def share_of_ink(image: Image.Image) -> float:
    """Return the share of pixels that differ from the most frequent color."""
    pixels = image.width * image.height
    return 1 - max(count for count, _ in image.getcolors(maxcolors=pixels) or ()) / pixels


def test_the_font_is_the_one_that_pillow_embeds() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.getname()[0] == "Aileron"


def test_twelve_looks_of_text_are_drawn(texts: dict[str, Image.Image]) -> None:
    assert list(texts) == [
        "article", "dark-mode", "book", "letter", "headline", "poster", "sign", "caption", "receipt", "pale",
        "sticker", "small-print",
    ]  # fmt: skip
    assert texts["poster"].size == (480, 640)
    assert {image.mode for image in texts.values()} == {"RGB"}


def test_words_fill_every_part_of_a_page(texts: dict[str, Image.Image]) -> None:
    for name, image in texts.items():
        assert 0.08 < share_of_ink(image) < 0.5, name
        width, height = image.size
        for top in (0, height // 2):
            part = image.crop((0, top, width // 2, top + height // 2))
            assert share_of_ink(part) > 0.07, (name, top)


def test_lines_of_words_end_before_the_margin(texts: dict[str, Image.Image]) -> None:
    page = np.asarray(texts["article"].convert("L"))
    inked = np.flatnonzero((page < 128).any(axis=0))
    assert inked[0] >= 7
    assert 350 < inked[-1] < 394


def test_only_three_pages_are_turned(texts: dict[str, Image.Image]) -> None:
    # Text that is level leaves rows of paper between its lines.
    turned = [
        name
        for name, image in texts.items()
        if not (np.asarray(image) == np.asarray(image)[0, 0]).all(axis=(1, 2))[20:].any()
    ]
    assert turned == ["letter", "receipt", "sticker"]


def test_every_screen_is_drawn_light_on_a_phone_and_dark_on_a_desktop(screens: dict[str, Image.Image]) -> None:
    assert list(screens) == [f"{name}-{device}" for name in SCREENS for device in ("phone", "desktop")]
    for name, image in screens.items():
        phone = name.endswith("-phone")
        assert image.size == ((390, 700) if phone else (720, 450))
        assert (np.asarray(image)[60:].mean() > 150) == phone, name


def test_a_bar_of_one_color_is_above_the_content(screens: dict[str, Image.Image]) -> None:
    for name, image in screens.items():
        pixels = np.asarray(image)
        bar = pixels[2, 2]
        assert (pixels[:5] == bar).all(), name
        assert (pixels[43, -20:] == bar).all(), name
        assert share_of_ink(image.crop((0, 45, *image.size))) > 0.02, name

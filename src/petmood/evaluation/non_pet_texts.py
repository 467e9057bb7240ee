"""Images of text and of programs' screens, without a pet, set in the font that Pillow embeds (Aileron).

No font of the machine is read. Each function yields names and RGB images and seeds its own generator.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_screenshots", "draw_text"]

Named = Iterator[tuple[str, Image.Image]]
Size = tuple[int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_WORDS: Final = (
    "the", "quick", "report", "shows", "that", "every", "open", "window", "lets", "warm", "air", "out", "of", "a",
    "room", "and", "cold", "water", "comes", "in", "again", "while", "prices", "rose", "by", "three", "percent",
    "last", "year", "trains", "run", "late", "on", "Sunday", "from", "north", "to", "south",
)  # fmt: skip


class TextLook(NamedTuple):
    """Font size in pixels, colors of ink and paper, image size [W, H] and rotation in degrees."""

    size_px: int
    ink: str
    paper: str
    shape: Size
    turn: float = 0.0


_TEXTS: Final[dict[str, TextLook]] = {
    "article": TextLook(14, "black", "white", (400, 400)),
    "dark-mode": TextLook(14, "white", "#1e1e28", (400, 400)),
    "book": TextLook(20, "#3c2f23", "#f4ecd8", (400, 560)),
    "letter": TextLook(24, "navy", "ivory", (480, 360), 8.0),
    "headline": TextLook(48, "black", "white", (640, 400)),
    "poster": TextLook(72, "yellow", "darkred", (480, 640)),
    "sign": TextLook(90, "white", "green", (640, 320)),
    "caption": TextLook(28, "white", "black", (640, 240)),
    "receipt": TextLook(18, "dimgray", "whitesmoke", (260, 600), -4.0),
    "pale": TextLook(20, "silver", "white", (400, 300)),
    "sticker": TextLook(36, "black", "gold", (400, 300), 20.0),
    "small-print": TextLook(10, "black", "lightgray", (360, 360)),
}


def draw_text() -> Named:
    """Draw 12 pages, posters and labels that are full of words."""
    rng = np.random.default_rng(1)
    for name, look in _TEXTS.items():
        font = _font(look.size_px)
        canvas = Image.new("RGB", look.shape, look.paper)
        draw = ImageDraw.Draw(canvas)
        width, height = look.shape
        margin = look.size_px // 2
        for y in range(margin, height, round(look.size_px * 1.4)):
            draw.text((margin, y), _line(rng, font, width - 2 * margin), font=font, fill=look.ink)
        yield name, canvas.rotate(look.turn, Image.Resampling.BICUBIC, fillcolor=look.paper)


def _line(rng: np.random.Generator, font: Font, width_px: int) -> str:
    """Return random words that fill a line; a first word that is too long is kept."""
    line = _word(rng)
    while font.getlength(longer := f"{line} {_word(rng)}") <= width_px:
        line = longer
    return line


@cache
def _font(size_px: int) -> Font:
    return ImageFont.load_default(size_px)


def _word(rng: np.random.Generator) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


class Screen(NamedTuple):
    """A screen to draw on: its size [W, H] and its colors."""

    draw: ImageDraw.ImageDraw
    size: Size
    paper: str
    panel: str
    ink: str
    accent: tuple[int, int, int]
    rng: np.random.Generator

    def text(self, x: float, y: float, words: int, *, size_px: int = 15) -> None:
        """Write random words with their top left corner at (x, y)."""
        written = " ".join(_word(self.rng) for _ in range(words)).capitalize()
        self.draw.text((x, y), written, font=_font(size_px), fill=self.ink)


_PHONE: Final = (390, 700)
_DESKTOP: Final = (720, 450)
_BAR_PX: Final = 44


def draw_screenshots() -> Named:
    """Draw six screens of programs, light on a phone and dark on a desktop."""
    rng = np.random.default_rng(2)
    themes = {"phone": (_PHONE, "#f5f5f5", "white", "black"), "desktop": (_DESKTOP, "#1e1f24", "#2c2e36", "#e6e6e6")}
    for name, fill in _SCREENS.items():
        for device, (size, paper, panel, ink) in themes.items():
            canvas = Image.new("RGB", size, paper)
            red, green, blue = (int(value) for value in rng.integers(40, 200, 3))
            screen = Screen(ImageDraw.Draw(canvas), size, paper, panel, ink, (red, green, blue), rng)
            screen.draw.rectangle((0, 0, size[0], _BAR_PX), fill=screen.accent)
            screen.text(16, 12, 2, size_px=18)
            fill(screen)
            yield f"{name}-{device}", canvas


def _settings(screen: Screen) -> None:
    width, height = screen.size
    for y in range(_BAR_PX + 14, height - 40, 58):
        screen.draw.rounded_rectangle((16, y, width - 16, y + 48), 8, fill=screen.panel, outline="gray")
        screen.text(30, y + 14, 3)
        on = screen.rng.random() < 0.5
        screen.draw.rounded_rectangle(
            (width - 76, y + 14, width - 36, y + 34), 10, fill=screen.accent if on else "gray"
        )
        x = width - 56 if on else width - 76
        screen.draw.ellipse((x, y + 14, x + 20, y + 34), fill="white")


def _chat(screen: Screen) -> None:
    width, height = screen.size
    for number, y in enumerate(range(_BAR_PX + 14, height - 50, 56)):
        x = 16 if number % 2 else width - 16 - 230
        screen.draw.rounded_rectangle((x, y, x + 230, y + 42), 16, fill=screen.panel if number % 2 else screen.accent)
        screen.text(x + 14, y + 11, 4)


def _table(screen: Screen) -> None:
    width, height = screen.size
    for row, y in enumerate(range(_BAR_PX + 10, height - 20, 28)):
        fill = screen.panel if row % 2 else screen.paper
        screen.draw.rectangle((10, y, width - 10, y + 27), fill=fill, outline="gray")
        screen.text(18, y + 5, 1, size_px=14)
        for x in range(130, width - 60, 84):
            screen.draw.line((x - 10, y, x - 10, y + 27), fill="gray")
            number = f"{screen.rng.integers(1, 9999) / 10:.1f}"
            screen.draw.text((x, y + 5), number, font=_font(14), fill=screen.ink)


def _chart(screen: Screen) -> None:
    width, height = screen.size
    bottom = height - 60
    for y in range(_BAR_PX + 30, bottom, 50):
        screen.draw.line((50, y, width - 20, y), fill="gray")
    for x in range(64, width - 50, 44):
        top = int(screen.rng.integers(_BAR_PX + 40, bottom - 20))
        screen.draw.rectangle((x, top, x + 28, bottom), fill=screen.accent)
    screen.draw.line((50, _BAR_PX + 20, 50, bottom, width - 20, bottom), fill=screen.ink, width=2)
    screen.text(60, bottom + 16, 5)


def _editor(screen: Screen) -> None:
    width, height = screen.size
    screen.draw.rectangle((0, _BAR_PX, 40, height), fill=screen.panel)
    for number, y in enumerate(range(_BAR_PX + 8, height - 16, 20), start=1):
        screen.draw.text((12, y), str(number), font=_font(13), fill="gray")
        x = 50 + 24 * int(screen.rng.integers(0, 4))
        for color in (screen.accent, screen.ink, "gray"):
            word = _word(screen.rng) + ("(" if color == screen.accent else "")
            font = _font(14)
            screen.draw.text((x, y), word, font=font, fill=color)
            x += round(font.getlength(word)) + 8
    screen.draw.rectangle((width - 10, _BAR_PX, width, _BAR_PX + 120), fill="gray")


def _form(screen: Screen) -> None:
    width, height = screen.size
    left, right = width * 0.12, width * 0.88
    for y in range(_BAR_PX + 24, height - 130, 76):
        screen.text(left, y, 2)
        screen.draw.rounded_rectangle((left, y + 24, right, y + 58), 6, fill=screen.panel, outline="gray", width=2)
        screen.text(left + 10, y + 32, 2)
    screen.draw.rounded_rectangle((left, height - 80, right, height - 36), 8, fill=screen.accent)
    screen.text(width * 0.44, height - 68, 1, size_px=18)


_SCREENS: Final[dict[str, Callable[[Screen], None]]] = {
    "settings": _settings,
    "chat": _chat,
    "table": _table,
    "chart": _chart,
    "editor": _editor,
    "form": _form,
}

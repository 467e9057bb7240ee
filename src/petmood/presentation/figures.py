"""Matplotlib figures in one style: PNG files, and inline SVG with the colors of the page around it."""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from petmood.core.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "ORANGE", "PageColor", "inline_svg", "new_figure", "page_style", "png_bytes", "style_axes"]

BLUE: Final = "#1f5fa8"
ORANGE: Final = "#c05a00"
GREY: Final = "#666666"

_SETTINGS: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "petmood",
    "text.parse_math": False,
    "lines.scale_dashes": False,
    "lines.solid_capstyle": "butt",
    "font.size": 12,
}
_SHAPES: Final = ("d", "x", "y", "transform", "style")
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")


class PageColor(StrEnum):
    """CSS variables of the reports' stylesheet, each with the color that stands for it until `inline_svg` writes it."""

    INK = "#000001"
    SOFT = "#000002"
    EDGE = "#000003"
    CARD = "#000004"
    ONE = "#000005"
    TWO = "#000006"


def new_figure(*, extra: str, **options: Any) -> "Figure":  # noqa: ANN401 - matplotlib's own options
    """Return an empty figure without pyplot, so that no window and no global state is involved.

    `extra` is the extra of petmood that installs matplotlib; `options` are those of `matplotlib.figure.Figure`.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra=extra).Figure(**options)
    return figure


def style_axes(axes: "Axes") -> None:
    """Show a light grid, and no lines at the top and on the right."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def png_bytes(figure: "Figure", **options: Any) -> bytes:  # noqa: ANN401 - matplotlib's own options
    """Return a figure as a PNG; `options` are those of `Figure.savefig`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", **options)
    return buffer.getvalue()


@contextmanager
def page_style(*, extra: str) -> Iterator[None]:
    """Draw with matplotlib's defaults for inline SVG, whatever the user's matplotlibrc says; usable as a decorator.

    Raises:
        MissingDependency: matplotlib is not installed; `extra` is the extra of petmood that installs it.
    """
    matplotlib = require("matplotlib", extra=extra)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def inline_svg(figure: "Figure", *, label: str, titles: Mapping[str, str]) -> str:
    """Return a figure made within `page_style` as an `<svg>` element to be placed in an HTML page.

    It has no ids, links or fonts of its own, so that several fit into one page. It scales with its width. `label` is
    its text for screen readers. The gid of an artist becomes a class, up to a colon. `titles` are tooltips by gid.
    """
    gids = {artist.get_gid() for artist in figure.findobj(lambda artist: artist.get_gid() is not None)}
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawn = ET.fromstring(buffer.getvalue())  # noqa: S314 - made by matplotlib above
    shapes = {element.get("id"): element for element in drawn.iter() if _tag(element) == "path"}
    # The initial line join is a rule of matplotlib's own stylesheet, which would apply to the whole page.
    root = ET.Element(
        "svg",
        {"viewBox": drawn.attrib["viewBox"], "role": "img", "aria-label": label, "stroke-linejoin": "round"},
    )
    root.extend(_kept(drawn, gids=gids, titles=titles, markers=shapes))
    return ET.tostring(root, encoding="unicode")


def _kept(
    parent: ET.Element, *, gids: set[str | None], titles: Mapping[str, str], markers: Mapping[str | None, ET.Element]
) -> Iterator[ET.Element]:
    """Yield the visible elements: groups with a gid, paths and texts; markers become paths."""
    for element in parent:
        tag, gid = _tag(element), element.get("id")
        if tag in ("path", "text"):
            yield _element(tag, element.attrib, element.text)
        elif tag == "use":
            marker = markers[next(value for name, value in element.items() if name.endswith("href")).removeprefix("#")]
            moved = f"translate({element.attrib['x']} {element.attrib['y']})"
            yield _element("path", {"d": marker.attrib["d"], "transform": moved, "style": element.attrib["style"]})
        elif tag == "g":
            kept = _kept(element, gids=gids, titles=titles, markers=markers)
            yield from [_group(gid, kept, title=titles.get(gid))] if gid is not None and gid in gids else kept


def _group(gid: str, children: Iterable[ET.Element], *, title: str | None) -> ET.Element:
    group = ET.Element("g", {"class": gid.partition(":")[0]})
    if title:
        ET.SubElement(group, "title").text = title
    group.extend(children)
    return group


def _element(tag: str, given: Mapping[str, str], text: str | None = None) -> ET.Element:
    attributes = {name: _short(given[name]) for name in _SHAPES if name in given}
    if "style" in attributes:
        attributes["style"] = _for_page(attributes["style"])
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    element = ET.Element(tag, attributes)
    element.text = text
    return element


def _for_page(style: str) -> str:
    """Leave fonts to the page, and refer to its CSS variables."""
    declarations = [part.strip() for part in style.split(";")]
    kept = "; ".join(part for part in declarations if part and not part.startswith("font"))
    for color in PageColor:
        kept = kept.replace(color.value, f"var(--{color.name.lower()})")
    return kept


def _short(text: str) -> str:
    """Write numbers with at most two decimals, on one line."""
    return " ".join(_LONG_NUMBER.sub(lambda found: f"{round(float(found[0]), 2):g}", text).split())


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]

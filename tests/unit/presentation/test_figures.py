"""Tests of figures: the same bytes each time, colors of the page, and nothing that reaches out of the SVG."""

import io
import re
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from PIL import Image

from petmood.core.errors import MissingDependency
from petmood.presentation.figures import PageColor, inline_svg, new_figure, page_style, png_bytes, style_axes


def chart(*, label: str = "a chart", titles: dict[str, str] | None = None) -> str:
    """Draw a line with markers, a dot and axes in the page's colors."""
    with page_style(extra="train"):
        figure = new_figure(extra="train", figsize=(3, 2))
        axes = figure.add_subplot()
        axes.plot([0, 1, 2], [3, 1, 2], "o-", color=PageColor.ONE, gid="line")
        axes.plot(1, 1, "o", color=PageColor.TWO, gid="dots:1")
        axes.set_ylabel("height", color=PageColor.INK)
        return inline_svg(figure, label=label, titles=titles or {})


def test_the_same_input_gives_the_same_bytes_whatever_the_user_s_settings_are() -> None:
    first = chart()
    assert chart() == first
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert chart() == first
        assert dict(mpl.rcParams) == before


def test_colors_and_fonts_are_those_of_the_page() -> None:
    drawing = chart()
    assert {"var(--one)", "var(--two)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", drawing))
    assert not any(color.value in drawing for color in PageColor)
    assert "font" not in drawing
    assert ">height</text>" in drawing


def test_a_chart_has_no_ids_links_styles_dates_or_fixed_size() -> None:
    root = ET.fromstring(chart())  # noqa: S314 - made by the code under test
    assert root.tag == "svg"
    assert root.attrib.keys() == {"viewBox", "role", "aria-label", "stroke-linejoin"}
    assert root.attrib["role"] == "img"
    for element in root.iter():
        assert element.tag in {"svg", "g", "path", "text", "title"}
        assert not element.attrib.keys() & {"id", "href", "clip-path", "width", "height"}
    assert not re.search(r"https?:|url\(|<style|<!|<\?|\d{4}-\d\d-\d\d", chart())


def test_gids_become_classes_and_titles_become_tooltips() -> None:
    hostile = '"><script>&'
    root = ET.fromstring(chart(label=hostile, titles={"dots:1": hostile}))  # noqa: S314 - made by the code under test
    assert root.attrib["aria-label"] == hostile
    groups = {group.attrib["class"]: group for group in root.iter("g")}
    assert groups.keys() == {"line", "dots"}
    assert groups["dots"].findtext("title") == hostile
    assert groups["line"].find("title") is None
    moved = [path.attrib["transform"] for path in groups["line"].iter("path") if "transform" in path.attrib]
    assert len(moved) == 3
    assert all(re.fullmatch(r"translate\([\d.]+ [\d.]+\)", text) for text in moved)


def test_a_figure_becomes_a_png_in_the_common_style() -> None:
    figure = new_figure(extra="train", figsize=(2, 1), dpi=50)
    axes = figure.add_subplot()
    style_axes(axes)
    assert [name for name, spine in axes.spines.items() if spine.get_visible()] == ["left", "bottom"]
    with Image.open(io.BytesIO(png_bytes(figure))) as picture:
        assert (picture.format, picture.size) == ("PNG", (100, 50))


def test_without_matplotlib_the_command_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[train\]'"):
        chart()

"""Axes of the reports' charts: fixed positions, the page's colors, and inline SVG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from petmood.core.extras import require
from petmood.presentation.figures import PageColor, inline_svg, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "DOT",
    "EXTRA",
    "LARGE",
    "LINES",
    "SMALL",
    "Frame",
    "Style",
    "chart_axes",
    "chart_markup",
    "plot_line",
    "set_ticks",
]

EXTRA: Final = "train"
"""The extra that installs matplotlib for most reports."""
Style = Mapping[str, Any]
Point = tuple[float, float]

_POINTS_AN_INCH: Final = 72
_TICK_STEPS: Final = (1, 2, 5, 10)


class Frame(NamedTuple):
    """Size of a chart and its margins around the axes, in points."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


LARGE: Final = Frame(360, 264, left=60, right=20, top=12, bottom=42)
SMALL: Final = Frame(160, 112, left=42, right=6, top=8, bottom=20)
LINES: Final[tuple[Style, ...]] = (
    {"color": PageColor.ONE, "linewidth": 2.5},
    {"color": PageColor.TWO, "linewidth": 2.5, "linestyle": (0, (7, 4))},
)
DOT: Final[Style] = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 9,
    "markeredgecolor": PageColor.CARD,
    "markeredgewidth": 1.5,
}


def chart_axes(frame: Frame = LARGE, *, x_label: str = "", y_label: str = "") -> tuple["Figure", "Axes"]:
    """Return a figure with one pair of axes at a fixed position, independent of the width of any text."""
    width, height, left, right, top, bottom = frame
    figure = new_figure(extra=EXTRA, figsize=(width / _POINTS_AN_INCH, height / _POINTS_AN_INCH))
    across, down = width - left - right, height - top - bottom
    axes = figure.add_axes((left / width, bottom / height, across / width, down / height))
    for background in (figure.patch, axes.patch, axes.spines[:]):
        background.set_visible(False)
    axes.tick_params(length=0, pad=6, labelcolor=PageColor.SOFT)
    axes.tick_params(axis="x", pad=8)
    axes.grid(visible=True, axis="y", color=PageColor.EDGE, linewidth=1)
    axes.set_xlabel(x_label, color=PageColor.INK, verticalalignment="baseline")
    axes.set_ylabel(y_label, color=PageColor.INK, verticalalignment="baseline")
    axes.xaxis.set_label_coords(0.5, (7 - bottom) / down)
    axes.yaxis.set_label_coords((13 - left) / across, 0.5)
    return figure, axes


def set_ticks(axis: "Axis", *, percent: bool = False, whole: bool = False) -> None:
    """Set at most six round ticks; `whole` allows whole numbers alone."""
    ticker = require("matplotlib.ticker", extra=EXTRA)
    axis.set_major_locator(ticker.MaxNLocator(5, steps=_TICK_STEPS, integer=whole))
    axis.set_major_formatter(lambda value, _: f"{value:.0%}" if percent else f"{value:g}")


def plot_line(axes: "Axes", points: Sequence[Point], *, number: int) -> None:
    """Plot the first or second curve of a chart; a single point becomes a dot."""
    style = LINES[number - 1]
    if len(points) == 1:
        axes.plot(*points[0], color=style["color"], gid="dots", **DOT)
    elif points:
        axes.plot(*zip(*points, strict=True), gid=f"line-{number}", **style)


def chart_markup(figure: "Figure", *, spoken: str, titles: Mapping[str, str] | None = None) -> Markup:
    """Return a figure as inline SVG; ``spoken`` is its text for screen readers, ``titles`` are tooltips by gid."""
    return Markup(inline_svg(figure, label=spoken, titles=titles or {}))  # noqa: S704 - escaped by the XML writer

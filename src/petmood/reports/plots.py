"""Charts of the run report as inline SVG; their colors are CSS variables of the page, so dark mode and print work."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from petmood.core.extras import require
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.calibration import ReliabilityBin
from petmood.evaluation.robustness import CorruptedAccuracy
from petmood.evaluation.selective import RiskCoverage
from petmood.presentation.figures import PageColor, inline_svg, new_figure, page_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["corruption_chart", "learning_chart", "reliability_chart", "risk_coverage_chart"]

_EXTRA: Final = "train"
_POINTS_AN_INCH: Final = 72
_TICK_STEPS: Final = (1, 2, 5, 10)
_Style = Mapping[str, Any]


class _Frame(NamedTuple):
    """Size of a chart and its margins around the axes, in points."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


_LARGE: Final = _Frame(360, 264, left=60, right=20, top=12, bottom=42)
_SMALL: Final = _Frame(160, 112, left=42, right=6, top=8, bottom=20)
_LINES: Final[tuple[_Style, ...]] = (
    {"color": PageColor.ONE, "linewidth": 2.5},
    {"color": PageColor.TWO, "linewidth": 2.5, "linestyle": (0, (7, 4))},
)
_GUIDE: Final[_Style] = {"color": PageColor.SOFT, "linewidth": 1.5, "linestyle": (0, (3, 4)), "gid": "guide"}
_MARK: Final[_Style] = {"color": PageColor.TWO, "linewidth": 1.5, "linestyle": (0, (2, 3)), "gid": "mark"}
_WHISKER: Final[_Style] = {"color": PageColor.ONE, "linewidth": 2, "gid": "whisker"}
_DOT: Final[_Style] = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 9,
    "markeredgecolor": PageColor.CARD,
    "markeredgewidth": 1.5,
}

Point = tuple[float, float]


@page_style(extra=_EXTRA)
def reliability_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw accuracy with its interval against confidence; the diagonal is perfect calibration."""
    figure, axes = _axes(x_label="confidence", y_label="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _set_ticks(axes.xaxis, percent=True)
    _set_ticks(axes.yaxis, percent=True)
    axes.plot([0, 1], [0, 1], **_GUIDE)
    titles = {}
    for number, point in enumerate(bins):
        axes.plot([point.confidence] * 2, [point.low, point.high], **_WHISKER)
        axes.plot(point.confidence, point.accuracy, color=PageColor.ONE, gid=f"dots:{number}", **_DOT)
        titles[f"dots:{number}"] = f"{point.n} photos: confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}"
    spoken = "; ".join(f"confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}" for point in bins)
    return _markup(
        figure, spoken=f"Reliability diagram, from low to high confidence: {spoken or 'no photos'}.", titles=titles
    )


@page_style(extra=_EXTRA)
def risk_coverage_chart(
    curve: RiskCoverage, *, target_error: float, chosen: tuple[float, float] | None = None
) -> Markup:
    """Draw the error among accepted predictions against coverage; `chosen` is (coverage, error) at the threshold."""
    points = list(zip(curve.coverage.tolist(), curve.risk.tolist(), strict=True))
    worst = max([risk for _, risk in points] + [target_error, 0.1])
    figure, axes = _axes(x_label="coverage", y_label="error of confident predictions")
    axes.set(xlim=(0, 1), ylim=(0, min(1, math.ceil(worst * 10) / 10)))
    _set_ticks(axes.xaxis, percent=True)
    _set_ticks(axes.yaxis, percent=True)
    axes.plot([0, 1], [target_error] * 2, **_GUIDE)
    _plot_line(axes, _thinned(points), number=1)
    spoken, titles = "Error of confident predictions by coverage", {}
    if points:
        spoken += f": {points[-1][1]:.0%} at full coverage"
    if chosen is not None:
        axes.plot([chosen[0]] * 2, axes.get_ylim(), **_MARK)
        axes.plot(*chosen, color=PageColor.ONE, gid="dots", **_DOT)
        titles["dots"] = f"chosen threshold: coverage {chosen[0]:.0%}, error {chosen[1]:.0%}"
        spoken += f"; at the chosen threshold coverage {chosen[0]:.0%} and error {chosen[1]:.0%}"
    return _markup(figure, spoken=f"{spoken}.", titles=titles)


@page_style(extra=_EXTRA)
def learning_chart(curves: Sequence[Mapping[str, float | None]], names: Sequence[str], *, y_label: str) -> Markup:
    """Draw one or two columns of the learning curves against the epoch; missing values are skipped."""
    lines = [_known(curves, name) for name in names]
    values = [y for line in lines for _, y in line] or [0.0, 1.0]
    epochs = [x for line in lines for x, _ in line] or [0.0, 1.0]
    share = "accuracy" in y_label
    figure, axes = _axes(x_label="epoch", y_label=y_label)
    axes.set_xlim(min(epochs), max(*epochs, min(epochs) + 1))
    axes.set_ylim((0, 1) if share else _padded(min(0.0, *values), max(values)))
    _set_ticks(axes.xaxis, whole=True)
    _set_ticks(axes.yaxis, percent=share)
    for number, line in enumerate(lines, start=1):
        _plot_line(axes, line, number=number)
    ends = [
        f"{name.replace('_', ' ')} ends at {line[-1][1]:.3g}" for name, line in zip(names, lines, strict=True) if line
    ]
    return _markup(figure, spoken=f"Learning curves by epoch: {'; '.join(ends) or 'nothing recorded'}.")


@page_style(extra=_EXTRA)
def corruption_chart(name: str, levels: Sequence[CorruptedAccuracy], *, clean: Estimate) -> Markup:
    """Draw the accuracy with its interval against the level of a corruption; the guide is the accuracy without it."""
    figure, axes = _axes(_SMALL)
    axes.set(xlim=(0.6, levels[-1].level + 0.4), ylim=(0, 1))
    axes.set_xticks([one.level for one in levels])
    axes.set_yticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    axes.plot(axes.get_xlim(), [clean.value] * 2, **_GUIDE)
    _plot_line(axes, [(one.level, one.accuracy.value) for one in levels], number=1)
    titles = {}
    for one in levels:
        found, gid = one.accuracy, f"dots:{one.level}"
        axes.plot([one.level] * 2, [found.low, found.high], **_WHISKER)
        axes.plot(one.level, found.value, color=PageColor.ONE, gid=gid, **{**_DOT, "markersize": 6})
        titles[gid] = f"level {one.level}: accuracy {found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
    spoken = f"Accuracy under {name}; {'; '.join(titles.values())}; without corruption {clean.value:.0%}."
    return _markup(figure, spoken=spoken, titles=titles)


def _known(curves: Sequence[Mapping[str, float | None]], name: str) -> list[Point]:
    found = [(row.get("epoch"), row.get(name)) for row in curves]
    return [(float(x), float(y)) for x, y in found if x is not None and y is not None and math.isfinite(y)]


def _padded(low: float, high: float) -> Point:
    return (low, high + 0.05 * (high - low)) if high > low else (low, low + 1.0)


def _thinned(points: list[Point], *, most: int = 400) -> list[Point]:
    """Keep at most about `most` points, always including the last."""
    step = max(1, math.ceil(len(points) / most))
    return points[:-1:step] + points[-1:]


def _axes(frame: _Frame = _LARGE, *, x_label: str = "", y_label: str = "") -> tuple["Figure", "Axes"]:
    """Return a figure with one pair of axes at a fixed position, independent of the width of any text."""
    width, height, left, right, top, bottom = frame
    figure = new_figure(extra=_EXTRA, figsize=(width / _POINTS_AN_INCH, height / _POINTS_AN_INCH))
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


def _set_ticks(axis: "Axis", *, percent: bool = False, whole: bool = False) -> None:
    """Set at most six round ticks; `whole` allows whole numbers alone."""
    ticker = require("matplotlib.ticker", extra=_EXTRA)
    axis.set_major_locator(ticker.MaxNLocator(5, steps=_TICK_STEPS, integer=whole))
    axis.set_major_formatter(lambda value, _: f"{value:.0%}" if percent else f"{value:g}")


def _plot_line(axes: "Axes", points: Sequence[Point], *, number: int) -> None:
    """Plot the first or second curve of a chart; a single point becomes a dot."""
    style = _LINES[number - 1]
    if len(points) == 1:
        axes.plot(*points[0], color=style["color"], gid="dots", **_DOT)
    elif points:
        axes.plot(*zip(*points, strict=True), gid=f"line-{number}", **style)


def _markup(figure: "Figure", *, spoken: str, titles: Mapping[str, str] | None = None) -> Markup:
    return Markup(inline_svg(figure, label=spoken, titles=titles or {}))  # noqa: S704 - escaped by the XML writer

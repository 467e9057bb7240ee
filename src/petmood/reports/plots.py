"""Charts of the run report as inline SVG; their colors are CSS variables of the page, so dark mode and print work."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.calibration import ReliabilityBin
from petmood.evaluation.robustness import CorruptedAccuracy
from petmood.evaluation.selective import RiskCoverage
from petmood.presentation.figures import PageColor, page_style
from petmood.reports.chart_axes import DOT, EXTRA, SMALL, Style, chart_axes, chart_markup, plot_line, set_ticks

__all__ = ["corruption_chart", "learning_chart", "reliability_chart", "risk_coverage_chart"]

_GUIDE: Final[Style] = {"color": PageColor.SOFT, "linewidth": 1.5, "linestyle": (0, (3, 4)), "gid": "guide"}
_MARK: Final[Style] = {"color": PageColor.TWO, "linewidth": 1.5, "linestyle": (0, (2, 3)), "gid": "mark"}
_WHISKER: Final[Style] = {"color": PageColor.ONE, "linewidth": 2, "gid": "whisker"}

Point = tuple[float, float]


@page_style(extra=EXTRA)
def reliability_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw accuracy with its interval against confidence; the diagonal is perfect calibration."""
    figure, axes = chart_axes(x_label="confidence", y_label="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    set_ticks(axes.xaxis, percent=True)
    set_ticks(axes.yaxis, percent=True)
    axes.plot([0, 1], [0, 1], **_GUIDE)
    titles = {}
    for number, point in enumerate(bins):
        axes.plot([point.confidence] * 2, [point.low, point.high], **_WHISKER)
        axes.plot(point.confidence, point.accuracy, color=PageColor.ONE, gid=f"dots:{number}", **DOT)
        titles[f"dots:{number}"] = f"{point.n} photos: confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}"
    spoken = "; ".join(f"confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}" for point in bins)
    return chart_markup(
        figure, spoken=f"Reliability diagram, from low to high confidence: {spoken or 'no photos'}.", titles=titles
    )


@page_style(extra=EXTRA)
def risk_coverage_chart(
    curve: RiskCoverage, *, target_error: float, chosen: tuple[float, float] | None = None
) -> Markup:
    """Draw the error among accepted predictions against coverage; `chosen` is (coverage, error) at the threshold."""
    points = list(zip(curve.coverage.tolist(), curve.risk.tolist(), strict=True))
    worst = max([risk for _, risk in points] + [target_error, 0.1])
    figure, axes = chart_axes(x_label="coverage", y_label="error of confident predictions")
    axes.set(xlim=(0, 1), ylim=(0, min(1, math.ceil(worst * 10) / 10)))
    set_ticks(axes.xaxis, percent=True)
    set_ticks(axes.yaxis, percent=True)
    axes.plot([0, 1], [target_error] * 2, **_GUIDE)
    plot_line(axes, _thinned(points), number=1)
    spoken, titles = "Error of confident predictions by coverage", {}
    if points:
        spoken += f": {points[-1][1]:.0%} at full coverage"
    if chosen is not None:
        axes.plot([chosen[0]] * 2, axes.get_ylim(), **_MARK)
        axes.plot(*chosen, color=PageColor.ONE, gid="dots", **DOT)
        titles["dots"] = f"chosen threshold: coverage {chosen[0]:.0%}, error {chosen[1]:.0%}"
        spoken += f"; at the chosen threshold coverage {chosen[0]:.0%} and error {chosen[1]:.0%}"
    return chart_markup(figure, spoken=f"{spoken}.", titles=titles)


@page_style(extra=EXTRA)
def learning_chart(curves: Sequence[Mapping[str, float | None]], names: Sequence[str], *, y_label: str) -> Markup:
    """Draw one or two columns of the learning curves against the epoch; missing values are skipped."""
    lines = [_known(curves, name) for name in names]
    values = [y for line in lines for _, y in line] or [0.0, 1.0]
    epochs = [x for line in lines for x, _ in line] or [0.0, 1.0]
    share = "accuracy" in y_label
    figure, axes = chart_axes(x_label="epoch", y_label=y_label)
    axes.set_xlim(min(epochs), max(*epochs, min(epochs) + 1))
    axes.set_ylim((0, 1) if share else _padded(min(0.0, *values), max(values)))
    set_ticks(axes.xaxis, whole=True)
    set_ticks(axes.yaxis, percent=share)
    for number, line in enumerate(lines, start=1):
        plot_line(axes, line, number=number)
    ends = [
        f"{name.replace('_', ' ')} ends at {line[-1][1]:.3g}" for name, line in zip(names, lines, strict=True) if line
    ]
    return chart_markup(figure, spoken=f"Learning curves by epoch: {'; '.join(ends) or 'nothing recorded'}.")


@page_style(extra=EXTRA)
def corruption_chart(name: str, levels: Sequence[CorruptedAccuracy], *, clean: Estimate) -> Markup:
    """Draw the accuracy with its interval against the level of a corruption; the guide is the accuracy without it."""
    figure, axes = chart_axes(SMALL)
    axes.set(xlim=(0.6, levels[-1].level + 0.4), ylim=(0, 1))
    axes.set_xticks([one.level for one in levels])
    axes.set_yticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    axes.plot(axes.get_xlim(), [clean.value] * 2, **_GUIDE)
    plot_line(axes, [(one.level, one.accuracy.value) for one in levels], number=1)
    titles = {}
    for one in levels:
        found, gid = one.accuracy, f"dots:{one.level}"
        axes.plot([one.level] * 2, [found.low, found.high], **_WHISKER)
        axes.plot(one.level, found.value, color=PageColor.ONE, gid=gid, **{**DOT, "markersize": 6})
        titles[gid] = f"level {one.level}: accuracy {found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
    spoken = f"Accuracy under {name}; {'; '.join(titles.values())}; without corruption {clean.value:.0%}."
    return chart_markup(figure, spoken=spoken, titles=titles)


def _known(curves: Sequence[Mapping[str, float | None]], name: str) -> list[Point]:
    found = [(row.get("epoch"), row.get(name)) for row in curves]
    return [(float(x), float(y)) for x, y in found if x is not None and y is not None and math.isfinite(y)]


def _padded(low: float, high: float) -> Point:
    return (low, high + 0.05 * (high - low)) if high > low else (low, low + 1.0)


def _thinned(points: list[Point], *, most: int = 400) -> list[Point]:
    """Keep at most about `most` points, always including the last."""
    step = max(1, math.ceil(len(points) / most))
    return points[:-1:step] + points[-1:]

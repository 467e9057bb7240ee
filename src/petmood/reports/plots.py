"""SVG charts of the evaluation report, styled by the CSS of the page.

Charts contain no colors and no fonts. The page styles the classes `line-1`, `line-2`, `dots`, `guide`, `grid` and
`mark`, so dark mode and print work. All text is escaped.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from petmood.evaluation.calibration import ReliabilityBin
from petmood.evaluation.selective import RiskCoverage

__all__ = ["learning_chart", "reliability_chart", "risk_coverage_chart", "ticks"]

_WIDTH, _HEIGHT = 360, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 12, 42

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Axes of a chart: ranges of both axes, and whether their labels are percentages."""

    x: Point
    y: Point
    percent_x: bool = False
    percent_y: bool = False

    def across(self, value: float) -> float:
        """Return the x coordinate of a value in SVG units."""
        low, high = self.x
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def down(self, value: float) -> float:
        """Return the y coordinate of a value in SVG units."""
        low, high = self.y
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw accuracy with its interval against confidence; the diagonal is perfect calibration."""
    frame = _Frame((0.0, 1.0), (0.0, 1.0), percent_x=True, percent_y=True)
    drawn = [_axes(frame, x_label="confidence", y_label="accuracy")]
    drawn.append(_path(frame, [(0.0, 0.0), (1.0, 1.0)], kind="guide"))
    for point in bins:
        drawn.append(_path(frame, [(point.confidence, point.low), (point.confidence, point.high)], kind="whisker"))
        note = f"{point.n} photos: confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}"
        drawn.append(_dot(frame, (point.confidence, point.accuracy), note=note))
    spoken = "; ".join(f"confidence {point.confidence:.0%}, accuracy {point.accuracy:.0%}" for point in bins)
    return _drawing(drawn, spoken=f"Reliability diagram, from low to high confidence: {spoken or 'no photos'}.")


def risk_coverage_chart(
    curve: RiskCoverage, *, target_error: float, chosen: tuple[float, float] | None = None
) -> Markup:
    """Draw the error among accepted predictions against coverage; `chosen` is (coverage, error) at the threshold."""
    points = list(zip(curve.coverage.tolist(), curve.risk.tolist(), strict=True))
    worst = max([risk for _, risk in points] + [target_error, 0.1])
    frame = _Frame((0.0, 1.0), (0.0, min(1.0, math.ceil(worst * 10) / 10)), percent_x=True, percent_y=True)
    drawn = [_axes(frame, x_label="coverage", y_label="error of confident predictions")]
    drawn.append(_path(frame, [(0.0, target_error), (1.0, target_error)], kind="guide"))
    drawn.append(_path(frame, _thinned(points), kind="line-1"))
    spoken = "Error of confident predictions by coverage"
    if points:
        spoken += f": {points[-1][1]:.0%} at full coverage"
    if chosen is not None:
        drawn.append(_path(frame, [(chosen[0], frame.y[0]), (chosen[0], frame.y[1])], kind="mark"))
        drawn.append(_dot(frame, chosen, note=f"chosen threshold: coverage {chosen[0]:.0%}, error {chosen[1]:.0%}"))
        spoken += f"; at the chosen threshold coverage {chosen[0]:.0%} and error {chosen[1]:.0%}"
    return _drawing(drawn, spoken=f"{spoken}.")


def learning_chart(curves: Sequence[Mapping[str, float | None]], names: Sequence[str], *, y_label: str) -> Markup:
    """Draw up to three columns of the learning curves against the epoch; missing values are skipped."""
    lines = [_known(curves, name) for name in names]
    values = [y for line in lines for _, y in line] or [0.0, 1.0]
    epochs = [x for line in lines for x, _ in line] or [0.0, 1.0]
    share = "accuracy" in y_label
    low, high = (0.0, 1.0) if share else _padded(min(0.0, *values), max(values))
    span = (min(epochs), max(epochs) if max(epochs) > min(epochs) else min(epochs) + 1)
    frame = _Frame(span, (low, high), percent_y=share)
    drawn = [_axes(frame, x_label="epoch", y_label=y_label)]
    drawn.extend(_path(frame, line, kind=f"line-{number}") for number, line in enumerate(lines, start=1))
    drawn.extend(_dot(frame, line[0], note="") for line in lines if len(line) == 1)
    ends = [
        f"{name.replace('_', ' ')} ends at {line[-1][1]:.3g}" for name, line in zip(names, lines, strict=True) if line
    ]
    return _drawing(drawn, spoken=f"Learning curves by epoch: {'; '.join(ends) or 'nothing recorded'}.")


def ticks(low: float, high: float, *, about: int = 5) -> tuple[float, ...]:
    """Return round tick values from low to high, about `about` of them."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return tuple(round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1))


def _known(curves: Sequence[Mapping[str, float | None]], name: str) -> list[Point]:
    found = [(row.get("epoch"), row.get(name)) for row in curves]
    return [(float(x), float(y)) for x, y in found if x is not None and y is not None and math.isfinite(y)]


def _padded(low: float, high: float) -> Point:
    return (low, high * 1.05) if high > low else (low, low + 1.0)


def _thinned(points: list[Point], *, most: int = 400) -> list[Point]:
    """Keep at most about `most` points, always including the last."""
    step = max(1, math.ceil(len(points) / most))
    return points[:-1:step] + points[-1:]


def _axes(frame: _Frame, *, x_label: str, y_label: str) -> Markup:
    drawn: list[Markup] = []
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in ticks(*frame.y):
        y = frame.down(value)
        drawn.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(_LEFT, right, y, y))
        text = _written(value, percent=frame.percent_y)
        drawn.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LEFT - 6, y + 4, text))
    for value in ticks(*frame.x):
        text = _written(value, percent=frame.percent_x)
        place = frame.across(value)
        drawn.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(place, bottom + 16, text))
    middle = (_LEFT + right) / 2
    drawn.append(
        Markup('<text class="label" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            middle, _HEIGHT - 7, x_label
        )
    )
    turned = Markup('<text class="label" transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>')
    drawn.append(turned.format((_TOP + bottom) / 2, y_label))
    return Markup("").join(drawn)


def _written(value: float, *, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:g}"


def _path(frame: _Frame, points: Iterable[Point], *, kind: str) -> Markup:
    corners = " ".join(f"{frame.across(x):.1f},{frame.down(y):.1f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(kind, corners)


def _dot(frame: _Frame, point: Point, *, note: str) -> Markup:
    dot = Markup('<circle class="dots" cx="{:.1f}" cy="{:.1f}" r="4.5"><title>{}</title></circle>')
    return dot.format(frame.across(point[0]), frame.down(point[1]), note)


def _drawing(parts: Sequence[Markup], *, spoken: str) -> Markup:
    opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, escape(spoken))
    return opening + Markup("").join(parts) + Markup("</svg>")

"""Tests of the axes of the reports' charts."""

import pytest

from petmood.presentation.figures import page_style
from petmood.reports.chart_axes import EXTRA, LARGE, SMALL, Frame, chart_axes, chart_markup, plot_line


@pytest.mark.parametrize("frame", [LARGE, SMALL])
def test_axes_have_the_size_of_their_frame_and_fixed_margins(frame: Frame) -> None:
    with page_style(extra=EXTRA):
        figure, axes = chart_axes(frame)
    assert tuple(72 * figure.get_size_inches()) == pytest.approx((frame.width, frame.height))
    assert axes.get_position().x0 == pytest.approx(frame.left / frame.width)
    assert axes.get_position().y1 == pytest.approx(1 - frame.top / frame.height)


def test_a_line_of_one_point_is_a_dot_and_of_none_is_nothing() -> None:
    with page_style(extra=EXTRA):
        for points, expected in ([], (0, 0)), ([(0, 1)], (0, 1)), ([(0, 1), (1, 2)], (1, 0)):
            figure, axes = chart_axes()
            plot_line(axes, points, number=1)
            drawn = chart_markup(figure, spoken="A <line>")
            assert (drawn.count('class="line-1"'), drawn.count('class="dots"')) == expected
            assert "A &lt;line&gt;" in drawn

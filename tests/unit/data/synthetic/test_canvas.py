"""Tests of the brush that maps head units to canvas pixels."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from petmood.data.synthetic.canvas import Brush, HeadPose, bend, mix, oval_points, rounded


def brush_on(canvas: Image.Image, *, turn: float = 0.0) -> Brush:
    return Brush(ImageDraw.Draw(canvas), centre=(50.0, 50.0), radius_px=20.0, turn=turn)


def test_a_point_is_scaled_turned_and_moved() -> None:
    canvas = Image.new("RGB", (100, 100))
    assert brush_on(canvas).place([(1.0, 0.5)]) == pytest.approx([70.0, 60.0])
    assert brush_on(canvas, turn=math.pi / 2).place([(1.0, 0.0)]) == pytest.approx([50.0, 70.0])


def test_shapes_lines_and_ovals_leave_their_colour() -> None:
    canvas = Image.new("RGB", (100, 100))
    brush = brush_on(canvas)
    brush.oval(0.0, 0.0, 1.0, 0.5, fill=(255, 0, 0), turn=math.pi / 2)
    brush.shape([(1.5, -0.2), (2.0, -0.2), (2.0, 0.2), (1.5, 0.2)], fill=(0, 255, 0))
    brush.line([(-2.0, 2.0), (2.0, 2.0)], fill=(0, 0, 255), width=0.2)
    assert canvas.getpixel((50, 65)) == (255, 0, 0)
    assert canvas.getpixel((65, 50)) == (0, 0, 0)
    assert canvas.getpixel((85, 50)) == (0, 255, 0)
    assert canvas.getpixel((50, 90)) == (0, 0, 255)


def test_an_oval_has_its_radii_and_a_spline_goes_through_its_corners() -> None:
    points = oval_points(1.0, 2.0, 3.0, 4.0)
    assert np.ptp(points, axis=0) == pytest.approx([6.0, 8.0], rel=0.02)
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    outline = rounded(corners)
    assert outline.shape == (24, 2)
    assert outline[::6] == pytest.approx(np.array(corners))


def test_a_bend_starts_and_ends_where_it_should_and_is_pulled_aside() -> None:
    curve = bend((0.0, 0.0), (0.5, 1.0), (1.0, 0.0))
    assert curve[0] == pytest.approx([0.0, 0.0])
    assert curve[-1] == pytest.approx([1.0, 0.0])
    assert 0.4 < curve[:, 1].max() <= 0.5


def test_mixing_goes_from_the_first_colour_to_the_second() -> None:
    assert mix((0, 100, 200), (100, 100, 0), 0.0) == (0, 100, 200)
    assert mix((0, 100, 200), (100, 100, 0), 0.5) == (50, 100, 100)


def test_a_warp_moves_points_a_little_and_each_animal_otherwise() -> None:
    points = oval_points(0.0, 0.0, 1.0, 1.0)
    moves = [HeadPose(np.random.default_rng(seed), reach=0.1)(points) - points for seed in (1, 1, 2)]
    assert np.array_equal(moves[0], moves[1])
    assert not np.array_equal(moves[0], moves[2])
    assert 0.01 < np.abs(moves[0]).mean() < 0.3
    assert np.abs(np.diff(moves[0], axis=0)).max() < 0.2, "it bends, it doesn't tear"
    canvas = Image.new("RGB", (100, 100))
    warp = HeadPose(np.random.default_rng(1), reach=0.1)
    bent = Brush(ImageDraw.Draw(canvas), centre=(50.0, 50.0), radius_px=20.0, turn=0.0, warp=warp)
    assert bent.place([(1.0, 0.5)]) != pytest.approx([70.0, 60.0], abs=1e-6)

"""Tests of backgrounds, lighting and noise around synthetic pets."""

import numpy as np
import pytest
from PIL import Image

from petmood.data.synthetic.scene import add_occluder, apply_camera_effects, mottle, paint_background


def test_backgrounds_have_the_size_asked_for_and_differ() -> None:
    rng = np.random.default_rng(0)
    images = [paint_background(96, rng) for _ in range(16)]
    assert {(p.size, p.mode) for p in images} == {((96, 96), "RGB")}
    assert len({p.tobytes() for p in images}) == 16


def test_things_in_front_come_now_and_then_and_leave_the_middle_free() -> None:
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(40):
        canvas = Image.new("RGB", (200, 200))
        add_occluder(canvas, rng)
        pixels = np.asarray(canvas)
        changed += bool(pixels.any())
        assert not pixels[88:112, 88:112].any()
    assert 5 < changed < 35


def test_a_photograph_is_lit_and_grainy_and_repeatable() -> None:
    flat = Image.new("RGB", (64, 48), (128, 128, 128))
    photos = [apply_camera_effects(flat, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert photos[0].shape == (48, 64, 3)
    assert photos[0].dtype == np.uint8
    assert photos[0].std() > 1
    assert np.array_equal(photos[0], photos[1])
    assert not np.array_equal(photos[0], photos[2])


def test_mottling_leaves_the_mean_and_gives_every_surface_its_own_grain() -> None:
    canvases = [Image.new("RGB", (90, 90), (120, 140, 100)) for _ in range(2)]
    rng = np.random.default_rng(0)
    for canvas in canvases:
        mottle(canvas, rng)
    first, second = (np.asarray(canvas, dtype=float) for canvas in canvases)
    assert first.mean(axis=(0, 1)) == pytest.approx([120, 140, 100], abs=8)
    assert 3 < first.std(axis=(0, 1)).mean() < 40
    assert abs(np.corrcoef(first.ravel() - first.mean(), second.ravel() - second.mean())[0, 1]) < 0.8
    assert not np.array_equal(first, second)

"""Tests of drift detection: real shifts, chance differences and negligible differences in large datasets."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from petmood.data.index import IndexRow, Role, Split
from petmood.data.validation.drift import (
    FACTS,
    SIGNIFICANCE,
    Drift,
    ImageStatistics,
    image_statistics,
    measure_drift,
)
from tests.support.images import photo_like, png
from tests.support.progress import RecordedProgress
from tests.support.trees import put

LIMIT = 0.2


def looks(count: int, *, seed: int, shift: float = 0.0, name: str = "") -> dict[str, NDArray[np.float64]]:
    """Draw random image statistics; ``shift`` moves the first one, in standard deviations."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, len(FACTS)))
    values[:, 0] += shift
    return {f"{name}{seed}-{number}": row for number, row in enumerate(values)}


def alarms(last: ImageStatistics, new: ImageStatistics) -> list[str]:
    return [drift.statistic for drift in measure_drift(last, new) if drift.is_significant(LIMIT)]


def test_equal_versions_and_tiny_ones_have_nothing_to_compare() -> None:
    same = looks(50, seed=1)
    assert measure_drift(same, same) == ()
    assert measure_drift(looks(4, seed=1), looks(50, seed=2)) == ()


def test_a_version_that_looks_otherwise_is_found_in_the_fact_that_moved() -> None:
    assert alarms(looks(300, seed=1), looks(300, seed=2, shift=1.0)) == ["brightness"]


def test_many_odd_photos_among_the_old_ones_are_found_and_a_few_are_reported_but_not_evaluated() -> None:
    old = looks(300, seed=1)
    many = {**old, **looks(300, seed=2, shift=2.0)}
    few = {**old, **looks(30, seed=3, shift=2.0)}
    assert alarms(old, many) == ["brightness"]
    assert alarms(old, few) == []
    measured = measure_drift(old, few)[0]
    assert (measured.p_value < SIGNIFICANCE, measured.distance < LIMIT) == (True, True)


def test_photos_that_went_are_compared_too() -> None:
    old = looks(300, seed=1)
    bright = {name: facts for name, facts in old.items() if facts[0] > 0}
    assert alarms(old, bright) == ["brightness"]


def test_a_large_set_does_not_alarm_on_next_to_nothing() -> None:
    """Over 20,000 photos a shift of a twentieth is significant, but negligible."""
    found = measure_drift(looks(20_000, seed=1), looks(20_000, seed=2, shift=0.05))[0]
    assert found.p_value < SIGNIFICANCE
    assert found.distance < 0.05
    assert not found.is_significant(LIMIT)


@pytest.mark.parametrize("count", [40, 100, 300])
def test_chance_alone_raises_an_alarm_about_once_in_a_hundred_at_most(count: int) -> None:
    """Uncorrected, five statistics would give one false alarm in twenty; 300 trials, with a margin for chance."""
    false = sum(bool(alarms(looks(count, seed=2 * k), looks(count, seed=2 * k + 1, name="n"))) for k in range(300))
    assert false <= 7


def test_a_shift_of_one_standard_deviation_is_found_in_a_hundred_photos() -> None:
    found = [alarms(looks(100, seed=2 * k), looks(100, seed=2 * k + 1, shift=1.0, name="n")) for k in range(50)]
    assert sum("brightness" in facts for facts in found) >= 48


def test_both_numbers_must_speak_for_a_drift() -> None:
    assert Drift("size", 1, 2, distance=0.3, p_value=0.001).is_significant(LIMIT)
    assert not Drift("size", 1, 2, distance=0.3, p_value=0.02).is_significant(LIMIT)
    assert not Drift("size", 1, 2, distance=0.1, p_value=0.001).is_significant(LIMIT)


def write(folder: Path, name: str, pixels: NDArray[np.uint8], *, role: Role = Role.ORIGINAL) -> IndexRow:
    put(folder, name, png(pixels))
    height, width = pixels.shape[:2]
    return IndexRow(name, name.ljust(64, "0"), "happy", Split.TRAIN, name, role, width, height, "PNG")


def test_flat_photos_differ_in_brightness_alone(tmp_path: Path) -> None:
    """The standard deviation of equal numbers is not 0 but their rounding error, which depends on the number."""
    levels = [write(tmp_path, f"{level}", np.full((32, 32, 3), level, np.uint8)) for level in range(1, 250, 10)]
    facts = np.array(list(image_statistics(tmp_path, levels).values()))
    assert facts[:, 1:].tolist() == [[0.0, 0.0, 1.0, 32.0]] * len(levels)
    assert facts[:, 0] == pytest.approx([level / 255 for level in range(1, 250, 10)])


def test_the_facts_of_an_image_are_what_they_are_called(tmp_path: Path) -> None:
    photo = photo_like(320, 160)
    dark, flat = (photo * 0.5).astype(np.uint8), np.full((160, 160, 3), 128, np.uint8)
    rows = [write(tmp_path, name, pixels) for name, pixels in (("photo", photo), ("dark", dark), ("flat", flat))]
    found = {
        name.rstrip("0"): dict(zip(FACTS, facts, strict=True))
        for name, facts in image_statistics(tmp_path, rows).items()
    }
    assert found["dark"]["brightness"] == pytest.approx(found["photo"]["brightness"] / 2, rel=0.05)
    assert found["flat"] == pytest.approx(
        {"brightness": 0.5, "contrast": 0, "sharpness": 0, "aspect": 1, "size": 160}, abs=0.01
    )
    assert (found["photo"]["aspect"], found["photo"]["size"]) == (2.0, 160)
    assert found["photo"]["sharpness"] > 0.01


def test_copies_and_photos_that_cannot_be_read_have_no_facts_and_known_ones_are_not_read(tmp_path: Path) -> None:
    good, copy = (
        write(tmp_path, "good", photo_like(64, 64)),
        write(tmp_path, "near_duplicate", photo_like(64, 64), role=Role.NEAR_DUPLICATE),
    )
    gone = IndexRow("gone", "9" * 64, "happy", Split.TRAIN, "gone", Role.ORIGINAL, 64, 64, "PNG")
    known = image_statistics(tmp_path, [good, copy, gone])
    assert list(known) == [good.sha256]
    (tmp_path / "good").unlink()
    assert list(image_statistics(tmp_path, [good], known=known)) == [good.sha256]
    assert image_statistics(tmp_path, [gone, good]) == {}


def test_every_photo_after_one_that_is_known_or_gone_is_read(tmp_path: Path) -> None:
    rows = [write(tmp_path, name, photo_like(64, 64, seed=seed)) for seed, name in enumerate(("a", "b", "c"))]
    gone = IndexRow("gone", "9" * 64, "happy", Split.TRAIN, "gone", Role.ORIGINAL, 64, 64, "PNG")
    remembered = np.arange(5.0)
    progress = RecordedProgress()
    found = image_statistics(
        tmp_path, [rows[0], gone, *rows[1:]], known={rows[0].sha256: remembered}, progress=progress
    )
    assert list(found) == [row.sha256 for row in rows]
    assert found[rows[0].sha256] is remembered
    assert progress.loops == [(4, "reading photos")]


def test_the_facts_of_one_green_pixel_on_black_are_known_by_hand(tmp_path: Path) -> None:
    """Green has a luminance of 150 (0.587 of 255); the Laplacian is 4 times that at the pixel, and minus once beside.

    The sizes are those of the index.
    """
    pixels = np.zeros((20, 16, 3), np.uint8)
    pixels[9, 7] = (0, 255, 0)
    row = replace(write(tmp_path, "green", pixels), width=40, height=16)
    (facts,) = image_statistics(tmp_path, [row]).values()
    light, count, inside = 150 / 255, 16 * 20, 14 * 18
    assert facts.tolist() == pytest.approx(
        [light / count, light * np.sqrt(1 / count - 1 / count**2), light * np.sqrt(20 / inside), 2.5, 16], abs=1e-9
    )


def test_a_large_photo_is_measured_at_128_pixels(tmp_path: Path) -> None:
    """A checkerboard of single pixels becomes an even gray."""
    fine = np.repeat((np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    coarse = fine[:128, :128]
    large, small = image_statistics(tmp_path, [write(tmp_path, "l", fine), write(tmp_path, "s", coarse)]).values()
    assert large[:3] == pytest.approx([0.5, 0, 0], abs=0.02)
    assert small[:3] == pytest.approx([0.5, 0.5, 4.0], abs=0.02)


def nearly(value: float) -> float:
    """Return what is equal to every number close to a value."""
    return cast("float", pytest.approx(value))


def version(first: float, count: int, *, name: str) -> dict[str, NDArray[np.float64]]:
    """Return photos whose brightness counts up from ``first``; the other statistics are the same in every version."""
    return {f"{name}{k}": np.array([first + k, k % 7, 2.0, 1.0, 32.0]) for k in range(count)}


def test_every_statistic_has_its_medians_its_distance_and_its_corrected_chance() -> None:
    """Two of the 3432 ways to draw 7 of 14 separate them completely; the chance counts five times."""
    old, new = version(1, 7, name="o"), version(11, 7, name="n")
    assert measure_drift(old, new) == (
        Drift("brightness", 4.0, 14.0, 1.0, nearly(10 / 3432)),
        Drift("contrast", 3.0, 3.0, 0.0, 1.0),
        Drift("sharpness", 2.0, 2.0, 0.0, 1.0),
        Drift("aspect", 1.0, 1.0, 0.0, 1.0),
        Drift("size", 32.0, 32.0, 0.0, 1.0),
    )


def test_chance_is_that_of_what_came_and_distance_that_of_the_complete_versions() -> None:
    old, more = version(1, 7, name="o"), version(11, 7, name="n")
    came = measure_drift(old, {**old, **more})[0]
    assert came == Drift("brightness", 4.0, 9.0, 0.5, nearly(10 / 3432))
    went = measure_drift({**old, **more}, old)[0]
    assert went == Drift("brightness", 9.0, 4.0, 0.5, nearly(10 / 3432))
    both = measure_drift({**old, "o9": more["n0"]}, {**old, **{f"m{k}": more["n0"] for k in range(9)}})[0]
    assert both.p_value == pytest.approx(5 * ks_2samp([*range(1, 8), 11], [11] * 9).pvalue)


def test_five_photos_are_enough_for_a_test_and_four_are_not() -> None:
    assert len(measure_drift(version(1, 5, name="o"), version(1, 5, name="n"))) == 5
    assert measure_drift(version(1, 4, name="o"), version(1, 5, name="n")) == ()
    assert measure_drift(version(1, 5, name="o"), version(1, 4, name="n")) == ()


@pytest.mark.parametrize(("count", "method"), [(1000, "exact"), (1001, "asymp")])
def test_chance_is_exact_up_to_a_thousand_photos(count: int, method: str) -> None:
    old, new = version(0, count, name="o"), version(600.5, 6, name="n")
    found = measure_drift(old, new)[0]
    brightness = [[facts[0] for facts in looks.values()] for looks in (old, new)]
    chances = {name: ks_2samp(*brightness, method=name).pvalue for name in ("exact", "asymp")}
    assert chances["exact"] != pytest.approx(chances["asymp"], rel=0.01)
    assert found.p_value == pytest.approx(5 * chances[method])


def test_a_drift_at_exactly_one_of_its_two_limits_is_none() -> None:
    assert not Drift("size", 1, 2, distance=LIMIT, p_value=0.001).is_significant(LIMIT)
    assert not Drift("size", 1, 2, distance=0.3, p_value=SIGNIFICANCE).is_significant(LIMIT)

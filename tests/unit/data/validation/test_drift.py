"""Tests of drift detection: real shifts, chance differences and negligible differences in large datasets."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.index import IndexRow, Role, Split
from petmood.data.validation.drift import (
    FACTS,
    SIGNIFICANCE,
    Drift,
    ImageStatistics,
    holm,
    image_statistics,
    measure_drift,
)
from tests.support.images import photo_like, png
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


def test_holm_steps_down_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_both_numbers_must_speak_for_a_drift() -> None:
    assert Drift("size", 1, 2, distance=0.3, p_value=0.001).is_significant(LIMIT)
    assert not Drift("size", 1, 2, distance=0.3, p_value=0.02).is_significant(LIMIT)
    assert not Drift("size", 1, 2, distance=0.1, p_value=0.001).is_significant(LIMIT)


def write(folder: Path, name: str, pixels: NDArray[np.uint8], *, role: Role = Role.ORIGINAL) -> IndexRow:
    put(folder, name, png(pixels))
    height, width = pixels.shape[:2]
    return IndexRow(name, name.ljust(64, "0"), "happy", Split.TRAIN, name, role, width, height, "PNG")


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

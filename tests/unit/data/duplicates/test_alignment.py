"""Tests of transform estimation with chance matches, with and without a planted transform."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates.alignment import estimate_transform
from petmood.data.duplicates.keypoints import Keypoints

SIDE = 224.0


def keypoints(positions: NDArray[np.float64]) -> Keypoints:
    return Keypoints(positions.astype(np.float32), np.zeros((len(positions), 128), np.uint8), SIDE, SIDE)


def scattered(count: int, *, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(0, SIDE, (count, 2)), rng.uniform(2, 10, count), rng.uniform(-3, 3, count)])


def moved(positions: NDArray[np.float64], *, scale: float, turn: float, mirrored: bool) -> NDArray[np.float64]:
    where, way = positions[:, 0] + 1j * positions[:, 1], positions[:, 3]
    if mirrored:
        where, way = where.conj(), -way
    there = scale * np.exp(1j * turn) * where + (12 + 30j)
    return np.column_stack([there.real, there.imag, positions[:, 2] * scale, way + turn])


def numbered(count: int) -> NDArray[np.intp]:
    return np.column_stack([np.arange(count), np.arange(count)])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("scale", "turn"), [(1.0, 0.0), (0.6, 2.0), (1.7, -0.4)])
def test_a_planted_movement_is_found_among_chance_matches(scale: float, turn: float, *, mirrored: bool) -> None:
    positions = scattered(60, seed=1)
    there = moved(positions, scale=scale, turn=turn, mirrored=mirrored)
    there[25:] = scattered(35, seed=2)
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(60), mirrored=mirrored)
    assert found is not None
    assert found.scale == pytest.approx(scale, rel=0.05)
    assert found.mirrored is mirrored
    assert 18 <= found.inliers <= 30
    carried = positions[:25, :2] @ found.matrix[:, :2].T + found.matrix[:, 2]
    assert np.abs(carried - there[:25, :2]).max() < 3.0
    assert (float(np.linalg.det(found.matrix[:, :2])) < 0) == mirrored


@pytest.mark.parametrize("mirrored", [False, True])
def test_few_places_are_carried_by_a_similarity(*, mirrored: bool) -> None:
    positions = scattered(5, seed=4)
    there = moved(positions, scale=1.2, turn=0.5, mirrored=mirrored)
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(5), mirrored=mirrored)
    assert found is not None
    assert found.inliers == 5
    carried = positions[:, :2] @ found.matrix[:, :2].T + found.matrix[:, 2]
    assert carried == pytest.approx(there[:, :2], abs=0.01)


def test_only_the_160_best_matches_are_used() -> None:
    positions, there = scattered(200, seed=7), scattered(200, seed=8)
    there[140:] = moved(positions[140:], scale=1.0, turn=0.3, mirrored=False)
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(200), mirrored=False)
    assert found is not None
    assert len(found.agreeing) <= 21
    assert set(range(140, 160)) <= set(found.agreeing[:, 0].tolist()) <= set(range(160))


@pytest.mark.parametrize("mirrored", [False, True])
def test_two_matches_in_two_cells_are_a_movement_with_a_known_matrix(*, mirrored: bool) -> None:
    """Twice as large, a quarter turn, then 12 to the right and 30 down: (x, y) is carried to (12 - 2y, 30 + 2x).

    If mirrored, y is negative first.
    """
    positions = np.array([[10.0, 20.0, 4.0, 0.3], [60.0, 50.0, 5.0, 1.3]])
    there = moved(positions, scale=2.0, turn=np.pi / 2, mirrored=mirrored)
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(2), mirrored=mirrored)
    assert found is not None
    sign = -1 if mirrored else 1
    assert found.matrix.ravel() == pytest.approx([0.0, -2.0 * sign, 12.0, 2.0, 0.0, 30.0], abs=1e-5)
    assert found.scale == pytest.approx(2.0)
    assert (found.inliers, found.mirrored, found.agreeing.tolist()) == (2, mirrored, [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ((5.5, 0.0, 1.0, 0.0), True),  # 6 px is the reach
        ((7.5, 0.0, 1.0, 0.0), False),
        ((0.0, 0.0, 1.7, 0.0), True),  # 0.8 octaves are a factor of 1.74
        ((0.0, 0.0, 1.8, 0.0), False),
        ((0.0, 0.0, 1.0, 0.6), True),  # a cosine of 0.8 is a turn of 0.64
        ((0.0, 0.0, 1.0, 0.7), False),
    ],
)
def test_an_inlier_has_its_place_its_size_and_its_direction(
    change: tuple[float, float, float, float], *, agrees: bool
) -> None:
    positions = scattered(40, seed=9)
    there = moved(positions, scale=1.0, turn=0.0, mirrored=False)
    there[7] = (there[7] + [change[0], change[1], 0.0, change[3]]) * [1.0, 1.0, change[2], 1.0]
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(40), mirrored=False)
    assert found is not None
    assert found.agreeing[:, 0].tolist() == [number for number in range(40) if agrees or number != 7]


@pytest.mark.parametrize(("scale", "accepted"), [(0.19, False), (0.21, True), (4.9, True), (5.1, False)])
def test_a_scale_of_a_fifth_to_five_is_accepted(scale: float, *, accepted: bool) -> None:
    positions = scattered(12, seed=6)
    there = moved(positions, scale=scale, turn=0.2, mirrored=False)
    found = estimate_transform(keypoints(positions), keypoints(there), numbered(12), mirrored=False)
    assert (found is not None) == accepted


def test_chance_matches_agree_on_hardly_any_place() -> None:
    for seed in range(20):
        one, other = keypoints(scattered(60, seed=seed)), keypoints(scattered(60, seed=100 + seed))
        found = estimate_transform(one, other, numbered(60), mirrored=False)
        assert found is None or found.inliers <= 4


def test_many_keypoints_on_one_spot_are_one_place() -> None:
    positions = np.vstack([scattered(3, seed=5), np.tile([[100.0, 100.0, 4.0, 0.5]], (40, 1))])
    found = estimate_transform(keypoints(positions), keypoints(positions), numbered(43), mirrored=False)
    assert found is not None
    assert found.inliers == 4


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_match_is_no_movement(count: int) -> None:
    one = keypoints(scattered(count, seed=0))
    assert estimate_transform(one, one, numbered(count), mirrored=False) is None


def test_matches_on_one_spot_alone_are_no_movement() -> None:
    one = keypoints(np.tile([[50.0, 60.0, 3.0, 0.1]], (9, 1)))
    assert estimate_transform(one, one, numbered(9), mirrored=False) is None


def test_a_scale_beyond_belief_is_no_movement() -> None:
    positions = scattered(12, seed=6)
    tiny = positions * [0.05, 0.05, 0.05, 1.0]
    assert estimate_transform(keypoints(positions), keypoints(tiny), numbered(12), mirrored=False) is None


def test_spots_in_two_cells_that_fall_into_one_are_no_movement() -> None:
    start = np.array([[10.0, 2.0, 4.0, 0.0], [16.0, 2.0, 4.0, 0.0]])
    end = np.array([[1.0, 2.0, 4.0, 0.0], [7.0, 2.0, 4.0, 0.0]])
    assert estimate_transform(keypoints(start), keypoints(end), numbered(2), mirrored=False) is None

"""Tests of the candidate search, exhaustive and with the inverted file."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates import candidates
from petmood.data.duplicates.candidates import Candidate, find_candidates
from petmood.data.duplicates.keypoints import Keypoints, detect_and_compute, mirror_descriptors
from tests.support.images import photo_like

EMPTY = Keypoints(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), 224.0, 224.0)


def random_photo(seed: int, *, count: int = 60) -> Keypoints:
    rng = np.random.default_rng(seed)
    raw = rng.gamma(0.4, 1.0, (count, 128))
    unit = np.sqrt(raw / raw.sum(axis=1, keepdims=True))
    return Keypoints(
        rng.uniform(1, 200, (count, 4)).astype(np.float32), (unit * 512).clip(0, 255).astype(np.uint8), 224, 224
    )


def with_descriptors(photo: Keypoints, descriptors: NDArray[np.uint8]) -> Keypoints:
    return Keypoints(photo.positions[: len(descriptors)], descriptors, photo.width, photo.height)


def planted() -> list[Keypoints]:
    photos = [random_photo(seed) for seed in range(12)]
    photos[7] = with_descriptors(photos[7], np.vstack([photos[2].descriptors[:20], photos[7].descriptors[20:]]))
    photos[9] = with_descriptors(photos[9], mirror_descriptors(photos[4].descriptors))
    return photos


def pairs(found: list[Candidate], *, least: float = 8.0) -> list[tuple[int, int, bool]]:
    return [(one.first, one.second, one.mirrored) for one in found if one.votes >= least]


def best(found: list[Candidate], *, count: int = 2) -> list[tuple[int, int, bool]]:
    """Return the pairs with the most votes, sorted."""
    return sorted(pairs(sorted(found, key=lambda one: -one.votes)[:count], least=0.0))


@pytest.mark.parametrize("exact_up_to", [0, 100_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_photos_with_shared_details_are_the_candidates(
    exact_up_to: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "EXACT_UP_TO", exact_up_to)
    found, distinctive = find_candidates(planted(), threads=threads)
    assert best(found) == [(2, 7, False), (4, 9, True)]
    assert all(part.all() for part in distinctive)


def test_the_search_says_the_same_twice_and_with_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "EXACT_UP_TO", 0)
    monkeypatch.setattr(candidates, "CHUNK_PHOTOS", 4)
    assert find_candidates(planted(), threads=1)[0] == find_candidates(planted(), threads=3)[0]


def test_details_that_everybody_has_do_not_make_candidates() -> None:
    caption = random_photo(99, count=20).descriptors
    photos = [random_photo(seed) for seed in range(30)]
    spread = np.arange(60)[:, None] * [3.0, 0.0, 0.0, 0.0] + [20.0, 30.0, 4.0, 0.0]
    spread[20:, 1] = 90.0
    photos = [
        Keypoints(spread.astype(np.float32), np.vstack([caption, one.descriptors[20:]]), 224, 224) for one in photos
    ]
    found, distinctive = find_candidates(photos, threads=1)
    assert pairs(found) == []
    assert all(not part[:20].any() and part[20:].all() for part in distinctive)


def test_a_photo_with_very_many_copies_keeps_its_details() -> None:
    one = random_photo(1)
    rng = np.random.default_rng(0)
    photos = [with_descriptors(one, one.descriptors ^ rng.integers(0, 2, (60, 128), dtype=np.uint8)) for _ in range(30)]
    found, distinctive = find_candidates(photos, threads=1)
    assert all(part.all() for part in distinctive)
    together = {0}
    for _ in range(30):
        together |= {place for a, b, _ in pairs(found, least=1.0) for place in (a, b) if {a, b} & together}
    assert together == set(range(30))


def test_photos_without_keypoints_are_no_candidates() -> None:
    assert find_candidates([EMPTY, EMPTY], threads=1)[0] == []
    assert find_candidates([], threads=1) == ([], [])
    found, _ = find_candidates([EMPTY, *planted()], threads=1)
    assert best(found) == [(3, 8, False), (5, 10, True)]


def test_a_flipped_photo_is_a_mirrored_candidate() -> None:
    photo = photo_like(224, 224)
    photos = [
        detect_and_compute(photo),
        detect_and_compute(np.ascontiguousarray(photo[:, ::-1])),
        detect_and_compute(photo_like(224, 224, seed=9)),
    ]
    assert best(find_candidates(photos, threads=1)[0], count=1) == [(0, 1, True)]

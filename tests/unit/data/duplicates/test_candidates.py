"""Tests of the candidate search, exhaustive and with the inverted file."""

from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates import candidates
from petmood.data.duplicates.candidates import EXACT_UP_TO, VOTERS, Candidate, find_candidates
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


def named(*bins: tuple[int, ...], levels: dict[int, int] | None = None) -> Keypoints:
    """Build a photo whose descriptors are 255 in these bins, at places 20 px apart.

    Two descriptors of four bins with n in common have a squared distance of 2 * (4 - n) * 255^2 / 512^2. ``levels`` is
    the value of bin 127 by the position of the descriptor.
    """
    rows = np.zeros((len(bins), 128), np.uint8)
    for row, chosen in zip(rows, bins, strict=True):
        row[list(chosen)] = 255
    for position, level in (levels or {}).items():
        rows[position, 127] = level
    places = [(20.0 * (number % 11), 20.0 * (number // 11), 4.0, 0.0) for number in range(len(bins))]
    return Keypoints(np.array(places, np.float32).reshape(-1, 4), rows, 224.0, 224.0)


def four(number: int) -> tuple[int, ...]:
    """Return one of 16 sets of four bins, in the upper two rows of a descriptor: a mirror image has the lower two."""
    cell, side = divmod(number, 2)
    return tuple(32 * (cell // 4) + 8 * (cell % 4) + way for way in ((0, 1, 2, 3) if side == 0 else (4, 5, 6, 7)))


def test_a_vote_is_the_share_by_which_a_neighbor_is_nearer_than_the_furthest() -> None:
    """Photos 0 and 2 have three of four bins in common: a quarter of the largest distance, 3/4 of a vote each way."""
    photos = [named((0, 1, 2, 3)), EMPTY, named((0, 1, 2, 9)), named((17, 18, 19, 20))]
    found, distinctive = find_candidates(photos, threads=1)
    assert found == [Candidate(0, 2, mirrored=False, votes=1.5)]
    assert [part.tolist() for part in distinctive] == [[True], [], [True], [True]]


def test_a_pair_with_less_than_one_and_a_half_votes_is_no_candidate() -> None:
    """Two of four bins in common are half of the largest distance: half a vote each way, for each of two keypoints."""
    far = named((17, 18, 19, 20))
    assert find_candidates([named((0, 1, 2, 3)), named((0, 1, 9, 10)), far], threads=1)[0] == []
    # Below 3/4 in each direction; two keypoints that find the same one have a vote of 1/2 each, and it finds both.
    two = named((0, 1, 2, 3), (0, 1, 4, 5))
    found = find_candidates([two, named((0, 1, 9, 10)), far], threads=1)[0]
    assert found == [Candidate(0, 1, mirrored=False, votes=2.0)]


def test_equal_descriptors_have_a_whole_vote_each_way_and_mirrored_ones_make_a_mirrored_candidate() -> None:
    plain = named((0, 1, 2, 3))
    assert find_candidates([plain, plain], threads=1)[0] == [Candidate(0, 1, mirrored=False, votes=2.0)]
    other = with_descriptors(plain, mirror_descriptors(plain.descriptors))
    far = named((17, 18, 19, 20))
    assert find_candidates([plain, other, far], threads=1)[0] == [Candidate(0, 1, mirrored=True, votes=2.0)]
    # Nearer than 0.05, the distance counts as a share of 0.05: 57^2 / 512^2 = 0.0124.
    (near,) = find_candidates([plain, named((0, 1, 2, 3), levels={0: 57})], threads=1)[0]
    assert near.votes == pytest.approx(2 * (1 - 57**2 / 512**2 / 0.05), abs=1e-6)


def everywhere(*, last: int, repeated: int = 1) -> list[Keypoints]:
    """Return 12 photos with nearly one descriptor, which differ by 0 to 10 levels and by ``last``, and an own one."""
    levels = [*range(11), last]
    first = named(*[four(0)] * repeated, *(four(13 + number) for number in range(repeated)))
    return [
        first,
        *(named(four(0), four(number + 1), levels={0: level}) for number, level in enumerate(levels) if number),
    ]


@pytest.mark.parametrize(("last", "furthest"), [(114, False), (115, True)])
def test_a_descriptor_whose_neighbors_are_all_nearer_than_a_twentieth_is_found_everywhere(
    last: int, *, furthest: bool
) -> None:
    """114^2 / 512^2 is 0.0496, and 115^2 / 512^2 is 0.0504. From a level of 1 or more, all others are nearer."""
    found, distinctive = find_candidates(everywhere(last=last), threads=1)
    assert [part.tolist() for part in distinctive] == [[furthest, True], *[[False, True]] * 10, [furthest, True]]
    assert found == []


@pytest.mark.parametrize(("repeated", "is_found_everywhere"), [(1, True), (2, True), (3, False)])
def test_ten_of_twelve_neighbors_must_be_in_other_photos(repeated: int, *, is_found_everywhere: bool) -> None:
    photos = everywhere(last=11, repeated=repeated)
    _, distinctive = find_candidates(photos, threads=1)
    assert distinctive[0].tolist() == [*[not is_found_everywhere] * repeated, *[True] * repeated]


@pytest.mark.parametrize(("place", "kept"), [((10.0, 10.0), False), ((10.5, 0.0), True), ((3.0, 10.5), True)])
def test_keypoints_within_10_px_of_one_that_is_found_everywhere_are_left_out(
    place: tuple[float, float], *, kept: bool
) -> None:
    photos = everywhere(last=11)
    photos[4].positions[1, :2] = place
    _, distinctive = find_candidates(photos, threads=1)
    assert [part.tolist() for part in distinctive] == [[False, kept if number == 4 else True] for number in range(12)]


@pytest.mark.parametrize("chunk", [128, 7])
def test_a_photo_keeps_its_24_best_partners(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of three details of photo 0 is in ten other photos; photo 1 has it a little changed (level 128).

    The partners that are left out have their own vote alone, and one vote is too few.
    """
    monkeypatch.setattr(candidates, "CHUNK_PHOTOS", chunk)
    details = (four(0), four(2), four(4))
    photos = [named(*details), *(named(details[number // 10]) for number in range(30))]
    photos[1] = named(details[0], levels={0: 128})
    found, distinctive = find_candidates(photos, threads=1)
    assert all(part.all() for part in distinctive)
    assert [one for one in found if one.first == 0] == [
        Candidate(0, number, mirrored=False, votes=2.0) for number in range(2, 26)
    ]
    others = [
        (a, b, False) for start in (1, 11, 21) for a in range(start, start + 10) for b in range(a + 1, start + 10)
    ]
    assert pairs([one for one in found if one.first], least=0.0) == others


@pytest.mark.parametrize(("before", "votes"), [(VOTERS - 1, [2.0]), (VOTERS, [])])
def test_the_256_strongest_keypoints_vote(before: int, votes: list[float]) -> None:
    photos = [named(*[(17, 18, 19, 20)] * before, (0, 1, 2, 3)), named((0, 1, 2, 3))]
    found, distinctive = find_candidates(photos, threads=1)
    assert [one.votes for one in found] == votes
    assert [len(part) for part in distinctive] == [before + 1, 1]
    assert all(part.all() for part in distinctive)


def test_the_inverted_file_has_twice_the_root_of_the_number_of_lists_and_leaves_the_threads_alone() -> None:
    photos = [random_photo(seed, count=100) for seed in range(25)]
    before = faiss.omp_get_max_threads()
    index: Any = candidates._inverted_file(photos, 2500, threads=before + 1)
    assert faiss.omp_get_max_threads() == before
    assert (index.d, index.nlist, index.nprobe, index.is_trained) == (128, 100, 3, True)
    assert index.metric_type == faiss.METRIC_L2
    assert not index.by_residual
    assert (index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid) == (6, 1, 40)
    assert EXACT_UP_TO == 20_000


@pytest.mark.parametrize(("stored", "kind"), [(20, "IndexFlat"), (21, "IndexIVFScalarQuantizer")])
def test_more_descriptors_than_are_searched_exhaustively_are_an_inverted_file(
    stored: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "EXACT_UP_TO", 20)
    searched = candidates._index([random_photo(1, count=12), EMPTY, random_photo(2, count=stored - 12)], threads=1)
    assert searched.owners.tolist() == [*[0] * 12, *[2] * (stored - 12)]
    assert kind in type(searched.index).__name__
    index: Any = searched.index
    assert index.ntotal == stored

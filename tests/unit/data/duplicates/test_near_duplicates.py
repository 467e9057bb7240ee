"""Tests of near-duplicate detection on planted near-duplicates and unrelated photos."""

import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise, permutations
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.altered_pixels import same_caption
from petmood.core.errors import DataError
from petmood.data.duplicates import group_limit, near_duplicates
from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import Comparison, swapped
from petmood.data.duplicates.group_limit import DividedGroup
from petmood.data.duplicates.near_duplicates import (
    Relation,
    Relations,
    describe_photo,
    find_near_duplicates,
    find_relations,
    group_ids,
)
from petmood.data.duplicates.relations import RelationKind
from petmood.data.duplicates.shared_regions import SharedRegion
from petmood.data.synthetic.animal_faces import draw_face
from tests.support.images import captioned, jpeg, photo_like
from tests.support.progress import RecordedProgress

Pixels = NDArray[np.uint8]
T = TypeVar("T")


def turned(photo: Pixels, degrees: float) -> Pixels:
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(photo, matrix, (width, height)), np.uint8)


def recoloured(photo: Pixels) -> Pixels:
    return np.clip(photo[..., ::-1] * [0.6, 0.8, 0.5] + 40, 0, 255).astype(np.uint8)


def reencoded(photo: Pixels) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(jpeg(photo, quality=30))).convert("RGB"))


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "resized": lambda photo: np.asarray(Image.fromarray(photo).resize((150, 150))),
    "stretched": lambda photo: np.asarray(Image.fromarray(photo).resize((300, 260))),
    "re-encoded": reencoded,
    "flipped": lambda photo: np.ascontiguousarray(photo[:, ::-1]),
    "upside down": lambda photo: np.ascontiguousarray(photo[::-1]),
    "quarter turn": lambda photo: np.ascontiguousarray(np.rot90(photo)),
    "cropped by 5%": lambda photo: np.ascontiguousarray(photo[11:-11, 11:-11]),
    "a quarter of it": lambda photo: np.ascontiguousarray(photo[56:168, 56:168]),
    "turned with black borders": lambda photo: turned(photo, 20),
    "flipped and turned": lambda photo: turned(np.ascontiguousarray(photo[:, ::-1]), -15),
    "recoloured": recoloured,
    "grey": lambda photo: np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
    "darkened": lambda photo: (photo * 0.35).astype(np.uint8),
    "framed": lambda photo: np.pad(photo, ((20, 20), (20, 20), (0, 0))),
    "equal": lambda photo: photo.copy(),
}


@cache
def named_photos() -> tuple[tuple[str, Pixels], ...]:
    """Return a photo, all its near-duplicates, and unrelated photos."""
    photo = photo_like(224, 224, seed=50)
    others = [(f"other {seed}", photo_like(224, 224, seed=seed)) for seed in range(8)]
    return (*others[:4], ("the photo", photo), *((name, make(photo)) for name, make in COPIES.items()), *others[4:])


@cache
def relations_of_all() -> tuple[Relation, ...]:
    return tuple(find_near_duplicates([pixels for _, pixels in named_photos()]))


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_to_be_one(name: str) -> None:
    names = [name for name, _ in named_photos()]
    photo, copy = names.index("the photo"), names.index(name)
    numbers = group_ids(len(names), relations_of_all())
    assert numbers[copy] == numbers[photo]
    own = [one for one in relations_of_all() if copy in (one.first, one.second)]
    assert any(one.kind == "near_duplicate" for one in own)
    assert all(one.first < one.second for one in own)


OTHER_PROCESSOR = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX",
    "OPENCV_IPP": "sse42",
    "OPENBLAS_CORETYPE": "Nehalem",
    "FAISS_OPT_LEVEL": "generic",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
}
"""Variables that let libraries compute as on an x86 processor of 2010."""
FIND = """
import sys
import numpy as np
from petmood.data.duplicates.near_duplicates import find_near_duplicates
photos = [pixels for _, pixels in sorted(np.load(sys.argv[1]).items())]
found = find_near_duplicates(photos)
print([one.digest.hex() for one in found.described], list(found))
"""


@pytest.mark.spawns
def test_an_old_processor_finds_the_same_keypoints_and_relations(tmp_path: Path) -> None:
    photos = [pixels for _, pixels in named_photos()]
    np.savez(tmp_path / "photos.npz", **{f"{number:03}": pixels for number, pixels in enumerate(photos)})  # type: ignore[arg-type] # mypy takes the names for options
    own, other = (
        subprocess.run(
            [sys.executable, "-c", FIND, tmp_path / "photos.npz"], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in (os.environ, os.environ | OTHER_PROCESSOR)
    )
    assert "near_duplicate" in own
    assert other == own


def test_unrelated_photos_stay_alone() -> None:
    numbers = group_ids(len(named_photos()), relations_of_all())
    for place, (name, _) in enumerate(named_photos()):
        if name.startswith("other"):
            assert numbers.count(numbers[place]) == 1


def test_a_relation_gives_mirrors_scales_and_which_frame_contains_the_other() -> None:
    photo = photo_like(224, 224, seed=50)
    crop = np.ascontiguousarray(photo[40:184, 40:184])
    (relation,) = find_near_duplicates([photo, np.ascontiguousarray(crop[:, ::-1])])
    assert relation.mirrored
    assert relation.scale == pytest.approx(224 / 144, rel=0.05)
    assert relation.agreement > 0.8
    assert relation.first_inside == pytest.approx((144 / 224) ** 2, abs=0.04)
    assert relation.second_inside > 0.95


def test_the_order_of_the_photos_changes_nothing_but_the_numbers() -> None:
    pixels = [pixels for _, pixels in named_photos()]
    order = np.random.default_rng(4).permutation(len(pixels)).tolist()
    shuffled = find_near_duplicates([pixels[place] for place in order])
    back = {(*sorted((order[one.first], order[one.second])), one.kind, one.inliers, one.mirrored) for one in shuffled}
    # The order decides which of two equal photos represents both, so pairs with them are left out.
    names = [name for name, _ in named_photos()]
    equal = {names.index("the photo"), names.index("equal")}
    straight = {(one.first, one.second, one.kind, one.inliers, one.mirrored) for one in relations_of_all()}
    assert {one for one in back if not {one[0], one[1]} & equal} == {
        one for one in straight if not {one[0], one[1]} & equal
    }
    numbers = group_ids(len(pixels), relations_of_all())
    again = group_ids(len(pixels), shuffled)
    assert [[numbers[a] == numbers[b] for a in order] for b in order] == [[a == b for a in again] for b in again]


def test_one_thread_says_the_same_as_two() -> None:
    assert tuple(find_near_duplicates((pixels for _, pixels in named_photos()), threads=1)) == relations_of_all()


def test_flat_photos_have_no_relations() -> None:
    flat = np.full((90, 120, 3), 77, np.uint8)
    assert find_near_duplicates([flat, flat, np.zeros((5, 5, 3), np.uint8), photo_like(90, 90)]) == []
    assert find_near_duplicates([]) == []


def test_a_hundred_equal_photos_are_one_group_by_way_of_the_first() -> None:
    small = photo_like(96, 96, seed=2)
    relations = find_near_duplicates([small] * 100)
    keypoints = len(describe_photo(small).keypoints.positions)
    assert relations == [
        Relation(0, number, RelationKind.NEAR_DUPLICATE, keypoints, mirrored=False, scale=1.0)
        for number in range(1, 100)
    ]
    assert set(group_ids(100, relations)) == {0}


def test_a_caption_on_every_photo_makes_no_group() -> None:
    caption = np.zeros((24, 224, 3), np.uint8)
    cv2.putText(caption, "BEST PETS OF 2024 - petphotos", (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1)
    photos = [photo_like(224, 224, seed=seed) for seed in range(100, 124)]
    for photo in photos:
        photo[-24:] = caption
    assert find_near_duplicates(photos) == []


def scene(*, seed: int, moved_px: int = 0) -> Pixels:
    """Draw the same animal on a background that depends on ``seed``."""
    image = photo_like(224, 224, seed=seed)
    animal = photo_like(110, 110, seed=500)
    shape = np.hypot(*np.mgrid[-1:1:110j, -1:1:110j])[..., None] < 0.9
    spot = image[60 : 60 + 110, 50 + moved_px : 160 + moved_px]
    spot[:] = np.where(shape, animal, spot)
    return image


def test_one_animal_on_two_backgrounds_is_a_relative_and_no_copy() -> None:
    photos = [scene(seed=1), scene(seed=2, moved_px=30), photo_like(224, 224, seed=3)]
    (relation,) = find_near_duplicates(photos)
    assert (relation.first, relation.second, relation.kind) == (0, 1, "related")


def test_photos_are_read_one_by_one_and_progress_is_reported() -> None:
    steps: list[tuple[str, int | None]] = []

    def progress(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        steps.append((what, total))
        yield from items

    photo = photo_like(64, 64)
    find_near_duplicates((each for each in [photo, photo]), total=2, progress=progress)
    assert steps == [("extracting keypoints", 2), ("searching candidate pairs", 1), ("comparing pairs of photos", 0)]


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_something_that_is_no_photo_is_refused(bad: Pixels) -> None:
    with pytest.raises(DataError, match=r"Expected a photo as uint8 \[height, width, 3\]"):
        find_near_duplicates([bad])


def test_no_thread_is_refused() -> None:
    said = r"^Expected at least one thread to compare photos, got 0\. Use 1 or more\.$"
    with pytest.raises(DataError, match=said):
        find_near_duplicates([], threads=0)


def test_groups_are_connected_and_numbered_by_their_first_member() -> None:
    relations = [
        Relation(a, b, RelationKind.NEAR_DUPLICATE, 9, mirrored=False, scale=1.0) for a, b in [(4, 5), (1, 3), (3, 5)]
    ]
    assert group_ids(7, relations) == [0, 1, 2, 1, 1, 1, 6]
    assert group_ids(0, []) == []


def in_frame(photo: Pixels) -> Pixels:
    """Cover the outer 28 px with one ornate frame."""
    out = photo_like(224, 224, seed=900)
    out[28:-28, 28:-28] = photo[28:-28, 28:-28]
    return out


def in_studio(photo: Pixels) -> Pixels:
    """Show an oval of the photo on one background."""
    inside = np.hypot(*np.mgrid[-1:1:224j, -1:1:224j])[..., None] < 0.75
    return np.where(inside, photo, photo_like(224, 224, seed=901))


@pytest.mark.parametrize("share", [captioned, in_frame, in_studio])
def test_one_thing_on_many_photos_relates_none_and_hides_no_copy(share: Callable[[Pixels], Pixels]) -> None:
    photos = [share(photo_like(224, 224, seed=seed)) for seed in range(200, 220)]
    found = find_near_duplicates([*photos, np.ascontiguousarray(photos[3][:, ::-1]), reencoded(photos[7])])
    assert [(one.first, one.second, one.kind) for one in found] == [
        (3, 20, "near_duplicate"),
        (7, 21, "near_duplicate"),
    ]
    assert max(len(region.photos) for region in found.shared) >= 15


def test_a_caption_in_frames_of_many_sizes_relates_no_photos() -> None:
    """The letters stand at slightly other places in each frame, so that many of their keypoints aren't at one place."""
    rng = np.random.default_rng(5)
    photos = []
    for number in range(40):
        face = draw_face(("angry", "happy", "other", "sad")[number % 4], "cat", rng=rng, side_px=224)
        height, width = rng.integers(192, 225, 2)
        caption = same_caption(np.ascontiguousarray(face[:height, :width]))
        photos.append(np.asarray(Image.open(io.BytesIO(jpeg(caption, quality=90))).convert("RGB")))
    found = find_near_duplicates([*photos, np.ascontiguousarray(photos[9][:, ::-1])])
    assert [(one.first, one.second, one.kind) for one in found] == [(9, 40, "near_duplicate")]
    assert len(found.shared[0].photos) >= 38


def test_the_shared_region_is_named_and_a_photo_without_the_caption_is_its_copy() -> None:
    plain = [photo_like(224, 224, seed=seed) for seed in range(200, 216)]
    found = find_near_duplicates([*(captioned(photo) for photo in plain), plain[5]])
    assert [(one.first, one.second, one.kind) for one in found] == [(5, 16, "near_duplicate")]
    (region,) = found.shared
    assert 10 <= len(region.photos) <= 16
    assert 16 not in region.photos
    assert re.fullmatch(r"the bottom (2\d|3[0-4])% of the frame", str(region))


def test_a_row_of_photos_that_overlap_is_one_group_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every photo shows a quarter of the one before it and a quarter of the one after it."""
    monkeypatch.setattr(group_limit, "MOST_RELATED", 3)
    quarters = [photo_like(112, 112, seed=seed) for seed in range(300, 307)]
    photos = [photo_like(224, 224, seed=seed) for seed in range(400, 406)]
    for photo, (upper, lower) in zip(photos, pairwise(quarters), strict=True):
        photo[:, :112] = np.concatenate([upper, lower])
    found = find_near_duplicates(photos)
    assert {one.kind for one in found} == {RelationKind.RELATED}
    sizes = Counter(group_ids(len(photos), found)).values()
    assert max(sizes) <= 3
    (divided,) = found.divided
    assert divided.photos == tuple(range(6))
    assert divided.parts == len(sizes)


def test_a_pair_is_told_from_its_first_photo_whichever_of_them_that_is() -> None:
    photo = photo_like(224, 224, seed=50)
    crop = np.ascontiguousarray(photo[40:184, 20:164])
    (one,), (turned,) = find_near_duplicates([photo, crop]), find_near_duplicates([crop, photo])
    assert (one.first, one.second, turned.first, turned.second) == (0, 1, 0, 1)
    assert replace(swapped(one), first=0, second=1, scale=turned.scale) == turned
    assert one.scale == pytest.approx(224 / 144, rel=0.05)
    assert turned.scale == pytest.approx(144 / 224, rel=0.05)
    assert one.first_inside == pytest.approx((144 / 224) ** 2, abs=0.04)
    assert one.second_inside > 0.9


@pytest.mark.parametrize("mirrored", [False, True])
def test_of_several_relations_of_a_pair_the_one_with_most_inliers_is_kept(*, mirrored: bool) -> None:
    """A copy at the same place agrees by its keypoints, and in place, where no keypoints are counted."""
    photo = photo_like(224, 224, seed=50)
    copy = reencoded(np.ascontiguousarray(photo[:, ::-1]) if mirrored else photo)
    for photos in ([photo, copy], [copy, photo]):
        (relation,) = find_near_duplicates(photos)
        assert relation.inliers > 50
        assert relation.mirrored is mirrored
        assert relation.scale == pytest.approx(1.0, abs=0.01)
        assert relation.scale == round(relation.scale, 4)


def found_pair(first: int, second: int, kind: RelationKind, inliers: int, *, scale: float = 1.0) -> Relation:
    return Relation(first, second, kind, inliers, False, scale, 0.8, 0.25, 1.0)


def test_the_best_relation_of_a_pair_is_a_copy_then_the_one_with_most_inliers_then_the_first() -> None:
    copy, related = RelationKind.NEAR_DUPLICATE, RelationKind.RELATED
    best = near_duplicates._best_of_each_pair
    weak, strong, other = found_pair(0, 1, copy, 5), found_pair(0, 1, copy, 6), found_pair(0, 1, related, 90)
    for order in permutations([weak, strong, other]):
        assert best(order) == [strong]
    assert best([weak, replace(weak, scale=2.0)]) == [weak]
    assert best([found_pair(3, 0, copy, 9, scale=2.0), found_pair(1, 2, related, 9), weak]) == [
        weak,
        Relation(0, 3, copy, 9, False, 0.5, 0.8, 1.0, 0.25),
        found_pair(1, 2, related, 9),
    ]
    # Seen from either side, a pair is one.
    assert best([found_pair(1, 0, copy, 9), weak]) == [Relation(0, 1, copy, 9, False, 1.0, 0.8, 1.0, 0.25)]
    assert best([weak, found_pair(1, 0, related, 9)]) == [weak]
    assert best([]) == []


def test_pairs_that_are_not_related_any_more_are_removed_and_named() -> None:
    kept, changed, gone, other = (Candidate(number, number + 1, mirrored=False, votes=2.0) for number in range(4))

    def compared(inliers: int) -> Comparison:
        return Comparison(found_pair(0, 1, RelationKind.RELATED, inliers), 0.5, np.zeros((0, 2), np.intp))

    before, after = compared(9), compared(12)
    found = dict.fromkeys((kept, changed, gone, other), before)
    answers = {kept: before, changed: after, gone: None}
    for threads in (1, 2):
        now = dict(found)
        assert near_duplicates._compare_again(now, list(answers), answers.__getitem__, threads=threads) == [(2, 3)]
        assert now == {kept: before, changed: after, other: before}


def test_equal_photos_are_related_to_the_one_that_comes_first_in_the_search() -> None:
    one, other = describe_photo(photo_like(64, 64, seed=1)), describe_photo(photo_like(64, 64, seed=2))
    flat = describe_photo(np.full((64, 64, 3), 80, np.uint8))
    count, more = len(one.keypoints.positions), len(other.keypoints.positions)
    kind = RelationKind.NEAR_DUPLICATE
    described = [one, other, flat, one, other, flat, one]
    assert near_duplicates._remove_equal_photos(described, [6, 0, 1, 2, 3, 4, 5]) == (
        [6, 1, 2],
        [
            Relation(6, 0, kind, count, mirrored=False, scale=1.0),
            Relation(6, 3, kind, count, mirrored=False, scale=1.0),
            Relation(1, 4, kind, more, mirrored=False, scale=1.0),
        ],
    )


def test_relations_keep_their_regions_and_divided_groups() -> None:
    link = found_pair(0, 1, RelationKind.RELATED, 9)
    region, group = SharedRegion((0, 1), (0.0, 0.0, 1.0, 0.2)), DividedGroup((0, 1), 1, 2)
    whole = Relations([link], shared=[region], divided=[group])
    assert (list(whole), whole.shared, whole.divided) == ([link], (region,), (group,))
    empty = Relations()
    assert (list(empty), empty.shared, empty.divided) == ([], (), ())


def test_photos_by_their_features_have_the_relations_of_the_photos_and_the_progress_of_pairs() -> None:
    photo = photo_like(160, 120, seed=4)
    photos = [photo, photo_like(160, 120, seed=5), reencoded(photo)]
    progress = RecordedProgress()
    found = find_relations([describe_photo(pixels) for pixels in photos], progress=progress)
    assert found == find_near_duplicates(photos)
    assert [(one.first, one.second) for one in found] == [(0, 2)]
    (searched, compared) = progress.loops
    assert searched == (1, "searching candidate pairs")
    assert compared[1] == "comparing pairs of photos"
    assert compared[0] is not None
    assert 1 <= compared[0] <= 6

"""Tests of the search for near-duplicates among many photos."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.data.duplicates.near_duplicates import Relation, Relations, find_near_duplicates, group_ids
from petmood.data.duplicates.relations import RelationKind
from petmood.data.duplicates.two_stages import NOTICE, find_in_two_stages
from tests.support.embedding import GridEmbedder
from tests.support.images import captioned, photo_like
from tests.support.progress import RecordedProgress

Pixels = NDArray[np.uint8]


@cache
def photos() -> tuple[Pixels, ...]:
    """Return four photos, each followed by a mirrored, a darkened and a cropped copy."""
    made: list[Pixels] = []
    for seed in range(4):
        photo = photo_like(128, 128, seed=seed)
        made += [
            photo,
            np.ascontiguousarray(photo[:, ::-1]),
            (photo * 0.5).astype(np.uint8),
            np.ascontiguousarray(photo[6:-6, 6:-6]),
        ]
    return tuple(made)


def found(given: Sequence[Pixels], folder: Path, *, threads: int = 1) -> Relations:
    return find_in_two_stages(given, embed=GridEmbedder(), folder=folder, threads=threads)


def kinds(relations: Sequence[Relation]) -> set[tuple[int, int, RelationKind]]:
    return {(one.first, one.second, one.kind) for one in relations}


def test_copies_are_found_as_by_the_exhaustive_search(tmp_path: Path) -> None:
    relations = found(photos(), tmp_path)
    assert group_ids(len(photos()), relations) == [4 * (number // 4) for number in range(len(photos()))]
    assert kinds(relations) == kinds(find_near_duplicates(photos()))
    assert relations.notice == NOTICE
    assert relations.described == ()
    assert list(tmp_path.iterdir()) == []


def test_mirrored_pairs_are_told_from_others(tmp_path: Path) -> None:
    by_pair = {(one.first, one.second): one.mirrored for one in found(photos()[:4], tmp_path)}
    assert by_pair[0, 1]
    assert not by_pair[0, 2]


def test_the_order_of_the_photos_and_threads_change_nothing_but_the_numbers(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(len(photos())).tolist()
    moved = found([photos()[number] for number in order], tmp_path, threads=3)
    plain = found(photos(), tmp_path)
    assert {(frozenset((order[one.first], order[one.second])), one.kind, one.inliers) for one in moved} == {
        (frozenset((one.first, one.second)), one.kind, one.inliers) for one in plain
    }


def test_equal_photos_are_related_to_the_first_alone(tmp_path: Path) -> None:
    first, other = photos()[0], photos()[4]
    relations = found([other, first, first, first], tmp_path)
    assert kinds(relations) == {(1, 2, RelationKind.NEAR_DUPLICATE), (1, 3, RelationKind.NEAR_DUPLICATE)}


def test_a_negative_is_found_where_it_stands(tmp_path: Path) -> None:
    class Sizes(GridEmbedder):
        """Embeds a negative near its photo: by the sizes of the values alone."""

        def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
            return np.abs(super().__call__(pixels))

    given = [*photos()[::4], 255 - photos()[4]]
    relations = find_in_two_stages(given, embed=Sizes(), folder=tmp_path, threads=1)
    assert {(one.first, one.second) for one in relations} == {(1, 4)}


def test_photos_that_share_a_caption_alone_are_not_related(tmp_path: Path) -> None:
    given = [captioned(photo_like(224, 224, seed=seed)) for seed in range(14)]
    relations = found(given, tmp_path)
    assert relations == []


def test_no_photos_and_one_photo_have_no_relations(tmp_path: Path) -> None:
    assert found([], tmp_path) == []
    assert found(photos()[:1], tmp_path) == []


def test_each_step_shows_its_progress(tmp_path: Path) -> None:
    progress = RecordedProgress()
    find_in_two_stages(photos()[:4], embed=GridEmbedder(), folder=tmp_path, total=4, threads=1, progress=progress)
    steps = [what for _, what in progress.loops]
    assert steps == ["describing photos", *["searching near photos"] * 2, "comparing pairs of photos"]


def test_an_array_that_is_no_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a photo as uint8"):
        found([np.zeros((8, 8), np.uint8)], tmp_path)

"""Tests of the choice of a search by the number of photos."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import MissingDependency
from petmood.data.duplicates.chosen_search import TWO_STAGES_FROM, ChosenSearch, SearchKind
from petmood.data.duplicates.two_stages import NOTICE
from tests.support.embedding import GridEmbedder
from tests.support.images import photo_like

PHOTO = photo_like(64, 64, seed=1)
PHOTOS = (PHOTO, np.ascontiguousarray(PHOTO[:, ::-1]))


@contextmanager
def opened() -> Iterator[GridEmbedder]:
    yield GridEmbedder()


def missing() -> AbstractContextManager[GridEmbedder]:
    raise MissingDependency("'timm' is not installed. Install it with: pip install 'petmood[weights]'.")


@pytest.mark.parametrize(
    ("kind", "total", "in_two_stages"),
    [
        (SearchKind.AUTO, 2, False),
        (SearchKind.AUTO, TWO_STAGES_FROM - 1, False),
        (SearchKind.AUTO, TWO_STAGES_FROM, True),
        (SearchKind.EXHAUSTIVE, TWO_STAGES_FROM, False),
        (SearchKind.TWO_STAGES, 2, True),
    ],
)
def test_the_number_of_photos_decides_unless_a_search_is_named(
    tmp_path: Path, kind: SearchKind, total: int, *, in_two_stages: bool
) -> None:
    found = ChosenSearch(kind, folder=tmp_path, embedder=opened)(PHOTOS, total=total)
    assert [(one.first, one.second, one.mirrored) for one in found] == [(0, 1, True)]
    assert found.notice == (NOTICE if in_two_stages else "")
    assert len(found.described) == (0 if in_two_stages else 2)


def test_a_missing_package_is_named_before_a_photo_is_read_with_the_other_way(tmp_path: Path) -> None:
    def unread(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pytest.fail(f"a photo was read: {photo.shape}")

    find = ChosenSearch(SearchKind.AUTO, folder=tmp_path, embedder=missing)
    with pytest.raises(MissingDependency) as caught:
        find(map(unread, PHOTOS), total=100_000)
    assert str(caught.value).startswith("'timm' is not installed. Install it with: pip install 'petmood[weights]'.")
    assert "among 100,000 photos" in str(caught.value)
    assert "--search exhaustive, which takes some 15.0 GB of memory" in str(caught.value)
    assert find(PHOTOS, total=2)

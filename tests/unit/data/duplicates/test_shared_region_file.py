"""Tests of the file of regions that many photos share."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.shared_region_file import (
    SHARED_REGIONS_NAME,
    SharedPhotos,
    read_shared_regions,
    shared_regions_text,
)

FEW = SharedPhotos("the top 20% of the frame", ("photos/a.jpg", "photos/b.jpg"))
MANY = SharedPhotos("the bottom 25% of the frame", ("photos/a.jpg", "photos/c.jpg", "photos/gr\u00f6\u00dfe.jpg"))


def test_what_is_written_is_read_with_most_photos_first(tmp_path: Path) -> None:
    (tmp_path / SHARED_REGIONS_NAME).write_text(shared_regions_text([FEW, MANY]), encoding="utf-8")
    assert read_shared_regions(tmp_path) == (MANY, FEW)
    assert shared_regions_text([]) == "[]\n"


def test_a_dataset_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert read_shared_regions(tmp_path) == ()


@pytest.mark.parametrize(
    "text",
    ["", "{}x", "3", '["a"]', '[{"region": 3, "paths": []}]', '[{"paths": []}]', '[{"region": "a", "paths": "b"}]'],
)
def test_another_content_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SHARED_REGIONS_NAME).write_text(text)
    with pytest.raises(DataError, match=r"isn't a list of shared regions\. Import the photos again"):
        read_shared_regions(tmp_path)

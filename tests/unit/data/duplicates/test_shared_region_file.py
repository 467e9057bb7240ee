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


def test_the_file_is_readable_json_with_the_region_of_most_photos_first() -> None:
    assert shared_regions_text([FEW, MANY]) == (
        "[\n"
        ' {\n  "region": "the bottom 25% of the frame",\n  "paths": [\n'
        '   "photos/a.jpg",\n   "photos/c.jpg",\n   "photos/gr\u00f6\u00dfe.jpg"\n  ]\n },\n'
        ' {\n  "region": "the top 20% of the frame",\n  "paths": [\n   "photos/a.jpg",\n   "photos/b.jpg"\n  ]\n }\n'
        "]\n"
    )


def test_regions_of_as_many_photos_are_sorted_by_their_names_and_paths() -> None:
    a, b, c = SharedPhotos("a", ("2", "3")), SharedPhotos("b", ("1", "2")), SharedPhotos("b", ("1", "3"))
    assert shared_regions_text([c, b, a]) == shared_regions_text([a, b, c])


def test_a_dataset_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert read_shared_regions(tmp_path) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        "3",
        '["a"]',
        '[{"region": 3, "paths": []}]',
        '[{"paths": []}]',
        '[{"region": "a", "paths": "b"}]',
        '[{"region": "a", "paths": ["b", 3]}]',
    ],
)
def test_another_content_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SHARED_REGIONS_NAME).write_text(text)
    said = r"^'shared_regions\.json' isn't a list of shared regions\. Import the photos again\.$"
    with pytest.raises(DataError, match=said):
        read_shared_regions(tmp_path)

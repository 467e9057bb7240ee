"""Tests of the photo scanner: one decode per photo, streamed pixels and recorded problems."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.group_limit import DividedGroup
from petmood.data.duplicates.near_duplicates import Relation, Relations
from petmood.data.duplicates.relations import RelationKind, RelationRow
from petmood.data.duplicates.shared_regions import SharedRegion
from petmood.data.scanner import PhotoScanner, problems_path
from petmood.data.sources.base import SourcePhoto
from tests.support.trees import photo_bytes, put


def found(root: Path, **files: bytes) -> list[SourcePhoto]:
    for name, data in files.items():
        put(root, name, data)
    return [SourcePhoto(root / name, name, "happy") for name in sorted(files)]


def intake(root: Path, entries: list[SourcePhoto], *, skip_bad: bool = False) -> PhotoScanner:
    return PhotoScanner(entries, skip_bad=skip_bad, to=root / "pets")


def test_equal_bytes_are_handed_on_once_and_share_their_number(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=photo_bytes(1), b=photo_bytes(1), c=photo_bytes(2)))
    assert [pixels.shape for pixels in stream] == [(32, 32, 3)] * 2
    entries = stream.entries([])
    assert [entry.content_id for entry in entries] == [0, 0, 1]
    assert entries[0].group_id == entries[1].group_id != entries[2].group_id
    assert stream.links([]) == [RelationRow("photos/a", "photos/b", RelationKind.EXACT_DUPLICATE, "equal bytes")]


def test_relations_become_groups_and_links_by_path(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=photo_bytes(1), b=photo_bytes(2), c=photo_bytes(3)))
    assert len(list(stream)) == 3
    relations = [Relation(2, 0, kind=RelationKind.RELATED, inliers=14, mirrored=True, scale=0.5)]
    groups = [entry.group_id for entry in stream.entries(relations)]
    assert groups[0] == groups[2] != groups[1]
    assert stream.links(relations) == [
        RelationRow("photos/a", "photos/c", RelationKind.RELATED, "14 inliers, scale 0.50, mirrored")
    ]


def test_a_relation_in_place_gives_its_correlation(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=photo_bytes(1), b=photo_bytes(2)))
    assert len(list(stream)) == 2
    relation = Relation(0, 1, kind=RelationKind.RELATED, inliers=0, mirrored=True, scale=1.0, agreement=0.617)
    assert [row.evidence for row in stream.links([relation])] == ["correlation 0.62 in place, mirrored"]


def test_a_region_that_many_photos_share_is_named_with_photos_and_classes(tmp_path: Path) -> None:
    entries = found(tmp_path, a=photo_bytes(1), b=photo_bytes(2), c=photo_bytes(3))
    entries[1] = SourcePhoto(entries[1].path, "b", "sad")
    stream = intake(tmp_path, entries)
    assert len(list(stream)) == 3
    (line,) = stream.shared_notices(Relations([], shared=[SharedRegion((0, 1, 2), (0.0, 0.75, 1.0, 1.0))]))
    assert line.startswith("3 photos of 2 classes share the same region: the bottom 25% of the frame.")
    assert stream.shared_notices([]) == []
    region = SharedRegion((0, 2), (0.0, 0.75, 1.0, 1.0))
    (shared,) = stream.shared_regions(Relations([], shared=[region]))
    assert (shared.region, shared.paths) == ("the bottom 25% of the frame", ("photos/a", "photos/c"))
    assert stream.shared_regions([]) == []


def test_a_group_that_was_too_large_is_named_by_its_first_photo(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=photo_bytes(1), b=photo_bytes(2), c=photo_bytes(3)))
    assert len(list(stream)) == 3
    (line,) = stream.shared_notices(Relations([], divided=[DividedGroup((1, 2), unused_pairs=4, parts=2)]))
    assert line.startswith("2 photos, such as 'b', would form one group by related pairs; at most 30 different photos")
    assert "Weakest pairs left out: 4, which leaves 2 groups." in line


def test_originals_are_chosen_among_the_photos_in_use(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=photo_bytes(1), b=photo_bytes(2), c=photo_bytes(3)))
    assert len(list(stream)) == 3
    relations = [Relation(0, 2, kind=RelationKind.NEAR_DUPLICATE, inliers=40, mirrored=False, scale=1.0)]
    assert stream.originals(relations, used=frozenset({0, 1, 2})) == {0, 1}
    assert stream.originals(relations, used=frozenset({1, 2})) == {1, 2}


def test_problems_of_source_and_content_are_kept_where_they_may_be_skipped(tmp_path: Path) -> None:
    entries = found(tmp_path, a=b"", b=photo_bytes(2))
    entries.append(SourcePhoto(tmp_path / "z", "z", None, problem="unknown class folder", code="unknown_class"))
    stream = intake(tmp_path, entries, skip_bad=True)
    assert len(list(stream)) == 1
    assert [(p.path, p.code) for p in stream.problems] == [("a", "empty_file"), ("z", "unknown_class")]
    assert not problems_path(tmp_path / "pets").exists()


def test_problems_that_stop_are_raised_after_the_last_photo_with_the_list_in_a_file(tmp_path: Path) -> None:
    stream = intake(tmp_path, found(tmp_path, a=b"", b=photo_bytes(2), c=b"text"))
    with pytest.raises(DataError, match=r"2 of 3 entries(.|\n)*\[empty_file\](.|\n)*\[unsupported_format\]"):
        list(stream)
    listed = problems_path(tmp_path / "pets").read_text()
    assert listed.startswith("path,reason,message\na,empty_file")
    assert "\nc,unsupported_format" in listed


def test_files_that_are_no_photos_never_stop(tmp_path: Path) -> None:
    entries = found(tmp_path, a=photo_bytes(1))
    entries.append(SourcePhoto(tmp_path / "n.txt", "n.txt", None, problem="not a photo", code="not_a_photo"))
    stream = intake(tmp_path, entries)
    assert len(list(stream)) == 1
    assert len(stream.problems) == 1


def test_no_usable_photo_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of 1 entries"):
        list(intake(tmp_path, found(tmp_path, a=b""), skip_bad=True))

"""Tests of the photo scanner: one decode per photo, streamed pixels and recorded problems."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.group_limit import DividedGroup
from petmood.data.duplicates.near_duplicates import Relation, Relations
from petmood.data.duplicates.relations import RelationKind, RelationRow
from petmood.data.duplicates.shared_region_file import SharedPhotos
from petmood.data.duplicates.shared_regions import SharedRegion
from petmood.data.photo_info import PhotoInfo
from petmood.data.scanner import PhotoScanner, problems_path, refuse_lost_classes
from petmood.data.sources.base import SourcePhoto
from tests.support.images import photo_like, png
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


def text(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.fixture
def five(tmp_path: Path) -> PhotoScanner:
    """Return a scanner that has read five photos, the fourth of them a copy of the first, in this order."""
    seeds = {"e": 1, "d": 2, "c": 3, "b": 1, "a": 4}
    entries = found(tmp_path, **{name: photo_bytes(seed) for name, seed in seeds.items()})[::-1]
    labels = {"e": "happy", "d": "sad", "c": "happy", "b": "angry", "a": None}
    stream = intake(tmp_path, [SourcePhoto(one.path, one.name, labels[one.name]) for one in entries])
    assert len(list(stream)) == 4
    return stream


def test_entries_carry_the_file_its_facts_and_its_numbers(five: PhotoScanner, tmp_path: Path) -> None:
    relations = [Relation(1, 3, kind=RelationKind.RELATED, inliers=14, mirrored=False, scale=0.5)]
    entries = five.entries(relations)
    assert [entry.source.name for entry in entries] == ["e", "d", "c", "b", "a"]
    assert [entry.content_id for entry in entries] == [0, 1, 2, 0, 3]
    groups = [entry.group_id for entry in entries]
    assert groups[0] == groups[3]
    assert groups[1] == groups[4]
    assert len(set(groups)) == 3
    digest = sha256((tmp_path / "d").read_bytes()).hexdigest()
    assert entries[1].info == PhotoInfo(digest, 32, 32, "PNG", "RGB", ("small",))
    assert five.problems == []


def test_every_relation_is_a_pair_of_paths_in_order_with_its_evidence(five: PhotoScanner) -> None:
    relations = [
        Relation(0, 1, kind=RelationKind.NEAR_DUPLICATE, inliers=60, mirrored=False, scale=1.256),
        Relation(2, 3, kind=RelationKind.RELATED, inliers=0, mirrored=False, scale=1.0, agreement=0.955),
    ]
    assert five.links(relations) == [
        RelationRow("photos/b", "photos/e", RelationKind.EXACT_DUPLICATE, "equal bytes"),
        RelationRow("photos/d", "photos/e", RelationKind.NEAR_DUPLICATE, "60 inliers, scale 1.26"),
        RelationRow("photos/a", "photos/c", RelationKind.RELATED, "correlation 0.95 in place"),
    ]


def test_shared_regions_and_divided_groups_are_told_in_whole_lines(five: PhotoScanner) -> None:
    bottom, top = (0.0, 0.75, 1.0, 1.0), (0.0, 0.0, 1.0, 0.1)
    relations = Relations(
        [],
        shared=[SharedRegion((0, 2, 3), bottom), SharedRegion((1, 3), top), SharedRegion((1,), top)],
        divided=[DividedGroup((0, 1), unused_pairs=4, parts=1), DividedGroup((3, 1), unused_pairs=5, parts=3)],
    )
    end = "It wasn't used to group photos. A model may learn it in place of the animal: crop it off."
    split = "Photos of one animal may now be in two splits: inspect them."
    limit = "would form one group by related pairs; at most 30 different photos may. Weakest pairs left out:"
    assert five.shared_notices(relations) == [
        f"3 photos of 3 classes share the same region: the bottom 25% of the frame. {end}",
        f"2 photos of 2 classes share the same region: the top 10% of the frame. {end}",
        f"1 photos of 1 class share the same region: the top 10% of the frame. {end}",
        f"2 photos, such as 'e', {limit} 4, which leaves 1 group. {split}",
        f"2 photos, such as 'a', {limit} 5, which leaves 3 groups. {split}",
    ]
    assert five.shared_regions(relations) == [
        SharedPhotos("the bottom 25% of the frame", ("photos/a", "photos/c", "photos/e")),
        SharedPhotos("the top 10% of the frame", ("photos/a", "photos/d")),
        SharedPhotos("the top 10% of the frame", ("photos/d",)),
    ]


def test_of_related_photos_in_use_the_larger_is_the_original(tmp_path: Path) -> None:
    sizes = {"a": (32, 32), "b": (64, 64), "c": (32, 32), "d": (48, 48)}
    files = {name: png(photo_like(*size, seed=k)) for k, (name, size) in enumerate(sizes.items())}
    stream = intake(tmp_path, found(tmp_path, **files))
    assert len(list(stream)) == 4
    relations = [
        Relation(first, second, kind=RelationKind.NEAR_DUPLICATE, inliers=40, mirrored=False, scale=1.0)
        for first, second in ((0, 1), (1, 3), (0, 3))
    ]
    assert stream.originals(relations, used=frozenset({0, 1, 2, 3})) == {1, 2}
    assert stream.originals(relations, used=frozenset({0, 2, 3})) == {2, 3}
    assert stream.originals(relations, used=frozenset({0, 2})) == {0, 2}
    assert stream.originals(relations, used=frozenset()) == set()


def test_problems_that_stop_an_import_are_one_report(tmp_path: Path) -> None:
    entries = found(tmp_path, a=b"", b=photo_bytes(2))
    entries.append(SourcePhoto(tmp_path / "n.txt", "n.txt", None, problem="no photo", code="not_a_photo"))
    entries.append(SourcePhoto(tmp_path / "z", "z", None, problem="an unknown class", code="unknown_class"))
    stream = intake(tmp_path, entries)
    full = tmp_path / "pets.problems.csv"
    empty = "Expected a photo, got an empty file (0 bytes). Send the original file again."
    assert text(lambda: list(stream)) == (
        f"2 of 4 entries can't be used; nothing was imported:\n  a: {empty} [empty_file]\n"
        "  z: an unknown class [unknown_class]\n"
        f"Full list: {full}. Fix the source, or skip these entries with --skip-bad."
    )
    assert full.read_text() == (
        f'path,reason,message\na,empty_file,"{empty}"\nn.txt,not_a_photo,no photo\nz,unknown_class,an unknown class\n'
    )


def bad(name: str, label: str | None = None, *, code: str = "missing_file") -> SourcePhoto:
    return SourcePhoto(Path(name), name, label, problem=f"{name} is bad", code=code)


def test_a_source_without_a_usable_photo_is_one_line_with_the_first_problem(tmp_path: Path) -> None:
    for entries, more in (
        ([bad("b"), bad("a")], " The first problem: b: b is bad [missing_file]."),
        ([], ""),
    ):
        assert text(lambda: list(intake(tmp_path, entries, skip_bad=True))) == (  # noqa: B023 - called at once
            f"None of {len(entries)} entries is a usable photo.{more}"
        )
    link = bad("l", code="link_back")
    assert text(lambda: list(intake(tmp_path, [link]))) == (
        "None of 1 entries is a usable photo. The first problem: l: l is bad [link_back]."
    )


def test_problems_that_leave_a_class_without_a_photo_are_reported_first(tmp_path: Path) -> None:
    good = SourcePhoto(tmp_path / "g", "g", "happy")
    to = tmp_path / "pets"
    for passed in ([good, bad("a", "happy")], [good, bad("a", code="not_a_photo")], [good]):
        refuse_lost_classes(passed, skip_bad=False, to=to)
    refuse_lost_classes([good, bad("a", "sad")], skip_bad=True, to=to)
    assert not problems_path(to).exists()
    end = f"Full list: {to}.problems.csv. Fix the source, or skip these entries with --skip-bad."
    assert text(lambda: refuse_lost_classes([good, bad("b", "happy"), bad("a", "sad")], skip_bad=False, to=to)) == (
        "2 of 3 entries can't be used; nothing was imported:\n  a: a is bad [missing_file]\n"
        f"  b: b is bad [missing_file]\n{end}"
    )
    assert text(lambda: refuse_lost_classes([bad("b", "happy")], skip_bad=True, to=to)) == (
        "None of 1 entries is a usable photo. The first problem: b: b is bad [missing_file]."
    )
    assert text(lambda: refuse_lost_classes([], skip_bad=False, to=to)) == "None of 0 entries is a usable photo."

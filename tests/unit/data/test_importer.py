"""Tests of dataset import: atomic and reproducible output, with an unchanged source."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.commands import shell_command
from petmood.core.errors import DataError, OutputError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import parse_class_options
from petmood.data.duplicates import feature_cache
from petmood.data.duplicates import near_duplicates as groups
from petmood.data.duplicates.feature_store import compact
from petmood.data.duplicates.near_duplicates import Relation, Relations
from petmood.data.duplicates.relations import RelationKind, RelationRow, read_relations
from petmood.data.duplicates.shared_region_file import read_shared_regions
from petmood.data.duplicates.shared_regions import SharedRegion
from petmood.data.import_errors import REJECTED_NAME, ImportProblem, read_problems
from petmood.data.import_target import IMPORT_NAME, WRITTEN
from petmood.data.importer import ImportOptions, ImportReport, import_photos
from petmood.data.index import DataIndex, IndexRow, Role, Split, read_index
from petmood.data.photo_info import read_photo_info
from petmood.data.sources.base import Source, SourcePhoto
from petmood.data.sources.csv_file import CsvSource
from petmood.data.sources.folder import FolderSource
from petmood.data.split import Fractions
from petmood.data.threads import reproducible_libraries
from petmood.data.validation.issues import validate_dataset
from tests.support.images import captioned, jpeg, photo_like
from tests.support.progress import RecordedProgress
from tests.support.trees import bring_in, contents, mirror_finder, photo_bytes, put, tree


def test_a_data_set_holds_index_lists_and_byte_for_byte_copies(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    before = contents(source)
    report = bring_in(source, to=tmp_path / "pets")
    after = contents(tmp_path / "pets")
    assert {f"photos/{name}": data for name, data in before.items()} == {
        name: data for name, data in after.items() if name.startswith("photos/")
    }
    assert sorted(name for name in after if "/" not in name) == [
        "import.json",
        "index.csv",
        "rejected.csv",
        "relations.csv",
        "shared_regions.json",
    ]
    assert contents(source) == before
    assert read_index(tmp_path / "pets") == report.index
    assert report.counts == {
        "originals": 16, "near_duplicates": 0, "excluded": 0, "groups": 16, "conflicts": 0, "rejected": 0,
        "train": 8, "valid": 4, "test": 4,
    }  # fmt: skip


def test_two_imports_are_byte_identical_wherever_they_lie(tmp_path: Path) -> None:
    bring_in(tree(tmp_path / "in"), to=tmp_path / "one")
    bring_in(tree(tmp_path / "elsewhere/in"), to=tmp_path / "deep/two")
    assert contents(tmp_path / "one") == contents(tmp_path / "deep/two")
    bring_in(tmp_path / "in", to=tmp_path / "one")
    assert contents(tmp_path / "one") == contents(tmp_path / "deep/two")
    assert str(tmp_path).encode() not in b"".join(
        data for name, data in contents(tmp_path / "one").items() if "/" not in name
    )


def test_the_facts_of_an_import_are_recorded(tmp_path: Path) -> None:
    report = bring_in(tree(tmp_path / "in"), to=tmp_path / "pets", skip_bad=True)
    facts = json.loads((tmp_path / "pets" / IMPORT_NAME).read_text())
    assert facts["source"] == "folder"
    assert facts["options"]["skip_bad"] is True
    assert facts["classes"] == ["angry", "happy", "other", "sad"]
    assert facts["schema_version"] == 2
    assert facts["counts"] == report.counts
    assert facts["data_hash"] == read_index(tmp_path / "pets").hash


def test_bad_photos_stop_a_strict_import_and_nothing_but_the_list_is_written(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(source, "happy/empty.jpg", b"")
    put(source, "x.png", photo_bytes(99))
    with pytest.raises(DataError, match="2 of 18 entries"):
        bring_in(source, to=tmp_path / "pets")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "pets.problems.csv"]


def table(folder: Path, *lines: str) -> CsvSource:
    """Write labels.csv beside the class folders of `tree`, whose names are happy/0.png and so on."""
    tree(folder)
    (folder / "labels.csv").write_text("\n".join(["photo,label", *lines]))
    return CsvSource(folder / "labels.csv")


def test_missing_photos_are_reported_before_the_classes_that_they_leave_empty(tmp_path: Path) -> None:
    source = table(tmp_path / "in", "gone/a.png,happy", "gone/b.png,sad")
    for options in (ImportOptions(), ImportOptions(classes=parse_class_options(["happy=content"]))):
        with pytest.raises(
            DataError, match=r"^2 of 2 entries can't be used; nothing was imported:\n  gone/a\.png: line 2"
        ):
            import_photos(source, to=tmp_path / "pets", options=options)
        assert [one.code for one in read_problems(tmp_path / "pets.problems.csv")] == ["missing_file"] * 2


def test_missing_photos_of_one_of_two_classes_are_reported_before_the_number_of_classes(tmp_path: Path) -> None:
    source = table(tmp_path / "in", "happy/0.png,happy", "gone/b.png,sad")
    with pytest.raises(DataError, match=r"^1 of 2 entries can't be used; nothing was imported:\n  gone/b\.png: line 3"):
        import_photos(source, to=tmp_path / "pets")
    with pytest.raises(DataError, match=r"^Expected photos of two classes or more, got: happy \(1 photo\)\."):
        import_photos(source, to=tmp_path / "pets", options=ImportOptions(skip_bad=True))


def test_missing_photos_that_are_skipped_leave_a_source_without_a_photo(tmp_path: Path) -> None:
    source = table(tmp_path / "in", "gone/a.png,happy", "gone/b.png,sad")
    expected = r"^None of 2 entries is a usable photo\. The first problem: gone/a\.png: line 2: .* \[missing_file\]\.$"
    with pytest.raises(DataError, match=expected):
        import_photos(source, to=tmp_path / "pets", options=ImportOptions(skip_bad=True))


def test_a_misspelt_class_is_reported_before_the_problems_of_other_photos(tmp_path: Path) -> None:
    source = table(tmp_path / "in", "happy/0.png,hapy", "gone/b.png,hapy")
    with pytest.raises(DataError, match="looks like 'happy'"):
        import_photos(source, to=tmp_path / "pets")


def test_skipping_bad_photos_keeps_their_list_and_clears_the_old_one(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(source, "happy/empty.jpg", b"")
    with pytest.raises(DataError):
        bring_in(source, to=tmp_path / "pets")
    report = bring_in(source, to=tmp_path / "pets", skip_bad=True)
    assert read_problems(tmp_path / "pets" / REJECTED_NAME) == report.rejected
    assert [problem.code for problem in report.rejected] == ["empty_file"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "pets"]
    assert "1 rejected" in report.summary()


def test_a_tolerant_source_skips_unless_set_otherwise(tmp_path: Path) -> None:
    put(tree(tmp_path / "in"), "happy/empty.jpg", b"")
    source = FolderSource(tmp_path / "in")
    source.skip_bad_by_default = True
    report = import_photos(source, to=tmp_path / "pets", find_near_duplicates=mirror_finder)
    assert len(report.rejected) == 1
    with pytest.raises(DataError, match="1 of 17"):
        import_photos(
            source, to=tmp_path / "pets", options=ImportOptions(skip_bad=False), find_near_duplicates=mirror_finder
        )


def test_copies_and_label_conflicts_are_found_from_the_pixels(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(source, "angry/0-mirrored.png", photo_bytes(0, mirrored=True))
    put(source, "sad/twin-of-happy.png", photo_bytes(4, mirrored=True))
    report = bring_in(source, to=tmp_path / "pets")
    rows = {row.path: row for row in report.index}
    pair = rows["photos/angry/0.png"], rows["photos/angry/0-mirrored.png"]
    assert {row.role for row in pair} == {"original", "near_duplicate"}
    assert pair[0].group_id == pair[1].group_id
    assert report.conflicts == 1
    assert "1 group has photos with two labels" in report.summary()
    assert RelationRow(
        "photos/angry/0-mirrored.png",
        "photos/angry/0.png",
        RelationKind.NEAR_DUPLICATE,
        "60 inliers, scale 1.00, mirrored",
    ) in read_relations(tmp_path / "pets")


def test_a_leak_of_official_splits_stops_until_its_rows_are_dropped(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", each=1, splits=("train", "valid", "test"))
    put(source, "train/angry/leak.png", photo_bytes(4, mirrored=True))
    with pytest.raises(DataError, match=r"valid: photos/valid/angry/0\.png = train: photos/train/angry/leak\.png"):
        bring_in(source, to=tmp_path / "pets")
    assert not (tmp_path / "pets").exists()
    report = bring_in(source, to=tmp_path / "pets", drop_leaking=True)
    assert [row.path for row in report.dropped_as_leaking] == ["photos/train/angry/leak.png"]
    assert "relative of valid photo photos/valid/angry/0.png" in report.summary()


def test_a_long_list_of_dropped_photos_is_cut_in_the_summary(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", each=1, splits=("train", "valid", "test"))
    for k in range(23):
        put(source, f"train/angry/leak{k:02}.png", photo_bytes(4))
    report = bring_in(source, to=tmp_path / "pets", drop_leaking=True)
    assert len(report.dropped_as_leaking) == 23
    assert "and 3 more" in report.summary()


def test_known_photos_keep_their_split_when_photos_are_added(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", each=6)
    before = {row.sha256: row.split for row in bring_in(source, to=tmp_path / "pets").index}
    tree(source / "happy/..", each=9)
    after = bring_in(source, to=tmp_path / "pets").index
    assert len(after) == 36
    known = [row for row in after if row.sha256 in before]
    assert len(known) >= 20
    assert all(row.split == before[row.sha256] for row in known)


def test_an_import_never_replaces_what_is_no_data_set(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(tmp_path, "home/letter.txt", b"dear")
    with pytest.raises(DataError, match="that an import would replace"):
        bring_in(source, to=tmp_path / "home")
    assert contents(tmp_path / "home") == {"letter.txt": b"dear"}
    (tmp_path / "empty").mkdir()
    bring_in(source, to=tmp_path / "empty")


def test_a_person_s_own_files_are_carried_over_and_what_petmood_made_is_not(tmp_path: Path) -> None:
    source, pets = tree(tmp_path / "in"), tmp_path / "pets"
    bring_in(source, to=pets)
    mine = {"labels/corrections.csv": b"a,b", "README.txt": b"mine", "photos/happy/aside.txt": b"?", ".dvcignore": b""}
    made = ("check.html", "issues.html", ".cache/checked", "photos/sad/.DS_Store", ".check.html.0abc1234.partial")
    for name, data in mine.items() | dict.fromkeys(made, b"old").items():
        put(pets, name, data)
    (pets / "link").symlink_to("README.txt")
    tree(source, each=5)
    for _ in range(2):
        report = bring_in(source, to=pets)
        found = contents(pets)
        assert {name: found[name] for name in mine} == mine
        assert (pets / "link").is_symlink()
        assert not set(made) & set(found)
        assert len(found) == len(WRITTEN) + len(report.index) + len(mine) + 1


def test_a_new_photo_never_overwrites_a_person_s_file_and_that_is_said_before_any_work(tmp_path: Path) -> None:
    source, pets = tree(tmp_path / "in"), tmp_path / "pets"
    bring_in(source, to=pets)
    tree(source, each=5)
    put(pets, "photos/happy/4.png", (source / "happy/4.png").read_bytes())
    assert len(bring_in(source, to=pets).index) == 20
    put(source, "happy/5.png", photo_bytes(90))
    put(pets, "photos/happy/5.png", photo_bytes(91))

    def never(*_: object, **__: object) -> list[Relation]:
        raise AssertionError("no photo may be looked at")

    with pytest.raises(DataError, match=r"that are not from an import: photos/happy/5\.png\. Nothing was changed"):
        import_photos(FolderSource(source), to=pets, find_near_duplicates=never)
    assert (pets / "photos/happy/5.png").read_bytes() == photo_bytes(91)


@pytest.mark.parametrize("name", ["photos", "index.csv"])
def test_a_link_inside_of_a_data_set_is_never_replaced(tmp_path: Path, name: str) -> None:
    source, pets = tree(tmp_path / "in"), tmp_path / "pets"
    bring_in(source, to=pets)
    (pets / name).rename(tmp_path / "elsewhere")
    (pets / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"pets/{name}' is a link that an import would replace"):
        bring_in(source, to=pets)
    assert (pets / name).is_symlink()


def test_a_data_set_that_is_a_link_is_written_where_it_points_time_and_again(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    (tmp_path / "large/pets").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "large")
    (tmp_path / "pets").symlink_to("large/pets")
    for each, to in ((4, "pets"), (5, "data/pets"), (6, "pets")):
        tree(source, each=each)
        assert len(bring_in(source, to=tmp_path / to).index) == 4 * each
        assert len(read_index(tmp_path / "large/pets")) == 4 * each
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "in", "large", "pets"]
    assert (tmp_path / "pets").is_symlink()


def test_a_removed_folder_under_way_is_an_error_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any removal of a folder during the import raises an error; the old dataset stays."""
    source, pets = tree(tmp_path / "in"), tmp_path / "pets"
    bring_in(source, to=pets)
    before, real, calls = contents(pets), Path.write_bytes, []

    def removing(path: Path, data: bytes) -> int:
        calls.append(path)
        written = real(path, data)
        if len(calls) == 6:
            shutil.rmtree(path.parents[2])
        return written

    monkeypatch.setattr(Path, "write_bytes", removing)
    with pytest.raises((FileNotFoundError, OutputError)):
        bring_in(source, to=pets)
    monkeypatch.undo()
    assert contents(pets) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "pets"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_modes_of_a_data_set_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        bring_in(tree(tmp_path / "in"), to=tmp_path / "pets")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in [tmp_path / "pets", *(tmp_path / "pets").rglob("*")]}
    assert modes == {0o777 & ~umask, 0o666 & ~umask}


def test_an_import_never_reads_what_it_replaces(tmp_path: Path) -> None:
    bring_in(tree(tmp_path / "in"), to=tmp_path / "pets")
    with pytest.raises(DataError, match="is inside the source"):
        bring_in(tmp_path / "pets/photos", to=tmp_path / "pets")
    assert len(read_index(tmp_path / "pets")) == 16


class ChangingSource:
    """A source in which a photo changes after the scan."""

    name = "changing"
    skip_bad_by_default = False
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        self.root, self.closed = root, False

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        return FolderSource(self.root).scan(progress)

    def close(self) -> None:
        self.closed = True


def test_a_photo_that_changes_meanwhile_stops_the_import_and_the_source_is_closed(tmp_path: Path) -> None:
    source = ChangingSource(tree(tmp_path / "in"))

    def finder(photos: Iterable[NDArray[np.uint8]], *, total: int | None, progress: ProgressBar) -> list[Relation]:
        relations = mirror_finder(photos, total=total, progress=progress)
        put(tmp_path / "in", "sad/0.png", photo_bytes(77))
        return relations

    with pytest.raises(DataError, match=r"'sad/0\.png' changed while it was imported"):
        import_photos(source, to=tmp_path / "pets", find_near_duplicates=finder, progress=no_progress)
    assert source.closed
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_fractions_and_seed_decide_on_the_splits(tmp_path: Path) -> None:
    source: Source = FolderSource(tree(tmp_path / "in", each=10))
    halves = Fractions(0.5, 0.5, 0.0)
    rows = [
        import_photos(
            source,
            to=tmp_path / f"{seed}",
            options=ImportOptions(fractions=halves, seed=seed),
            find_near_duplicates=mirror_finder,
        )
        for seed in (0, 1)
    ]
    assert {row.split for row in rows[0].index} == {"train", "valid"}
    assert [row.split for row in rows[0].index] != [row.split for row in rows[1].index]


def test_the_real_finder_is_used_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "find_near_duplicates", mirror_finder)
    assert len(import_photos(FolderSource(tree(tmp_path / "in")), to=tmp_path / "pets").index) == 16


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """Return a dataset that was imported with the real comparison of photos; two of its 16 files are equal."""
    source = tree(tmp_path / "in")
    (source / "happy" / "again.png").write_bytes((source / "happy" / "0.png").read_bytes())
    import_photos(FolderSource(source), to=tmp_path / "pets")
    return tmp_path / "pets"


def test_an_import_keeps_the_features_that_it_compared_photos_by(
    imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = read_index(imported)
    computed: list[bytes] = []
    monkeypatch.setattr(feature_cache, "describe_photo", computed.append)
    found = feature_cache.features_of(imported, index, index.rows)
    assert not computed
    assert len(index) == 17
    assert set(found) == {row.sha256 for row in index}
    for row in index:
        pixels = read_photo_info(imported / row.path)[1]
        assert pixels is not None
        with reproducible_libraries():
            assert found[row.sha256].digest == compact(groups.describe_photo(pixels)).digest


def test_kept_features_are_part_of_no_data_version(imported: Path) -> None:
    kept = imported / feature_cache.CACHED_FEATURES
    before, version = kept.read_bytes(), read_index(imported).hash
    kept.unlink()
    assert read_index(imported).hash == version
    assert not validate_dataset(imported).has_blocking_issues
    index = read_index(imported)
    feature_cache.features_of(imported, index, index.rows)
    assert kept.read_bytes() == before, "a dataset without the file gets the same one"


def test_an_import_whose_features_can_not_be_kept_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_cache, "atomic_write_bytes", refuse)
    pets = tmp_path / "pets"
    assert len(import_photos(FolderSource(tree(tmp_path / "in")), to=pets).index) == 16
    assert not (pets / feature_cache.CACHED_FEATURES).exists()
    said = f"The cache of {pets} can't be written: [Errno 28] No space left on device. It is computed again next time."
    assert caplog.messages == [said]


def test_rejected_entries_are_sorted(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(source, "sad/z.txt", b"x")
    put(source, "angry/a.jpg", b"")
    rejected = bring_in(source, to=tmp_path / "pets", skip_bad=True).rejected
    assert rejected[1] == ImportProblem("sad/z.txt", "not_a_photo", "the suffix is not one of a photo")
    assert [problem.path for problem in rejected] == ["angry/a.jpg", "sad/z.txt"]


def test_an_import_over_a_dataset_says_which_version_and_how_many_photos_go(tmp_path: Path) -> None:
    source, pets = tree(tmp_path / "in"), tmp_path / "pets"
    first = bring_in(source, to=pets)
    assert "Replaces" not in first.summary()
    (source / "sad/3.png").unlink()
    put(source, "happy/new.png", photo_bytes(70))
    put(source, "happy/newer.png", photo_bytes(71))
    second = bring_in(source, to=pets)
    assert f"Replaces data version {first.index.hash[:12]} with 16 photos: 15 kept, 1 gone, 2 new." in second.summary()


def test_a_dataset_of_which_the_source_has_no_photo_is_replaced_only_when_asked(tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    first = bring_in(tree(tmp_path / "in"), to=pets)
    put(pets, "README.txt", b"mine")
    before = contents(pets)

    def never(*_: object, **__: object) -> list[Relation]:
        raise AssertionError("no photo may be looked at")

    other = FolderSource(tree(tmp_path / "other", first_seed=100))
    with pytest.raises(
        DataError,
        match=rf"pets' holds data version {first.index.hash[:12]} with 16 photos, and the source has none of them\. "
        r"Nothing was changed\. Choose another folder with --output, or add --replace\.",
    ):
        import_photos(other, to=pets, find_near_duplicates=never)
    assert contents(pets) == before
    done = import_photos(other, to=pets, replace_unrelated=True, find_near_duplicates=mirror_finder)
    assert "with 16 photos: 0 kept, 16 gone, 16 new." in done.summary()
    assert contents(pets)["README.txt"] == b"mine"


def test_a_caption_on_half_of_the_photos_changes_no_split(tmp_path: Path) -> None:
    """One caption once joined all photos that have it to one group, in one split, and excluded some as copies."""
    photos = {
        f"{label}/{number}": photo_like(224, 224, seed=100 * place + number)
        for place, label in enumerate(("happy", "sad"))
        for number in range(14)
    }
    splits = {}
    for name, every in (("plain", 0), ("captioned", 2)):
        for number, (path, pixels) in enumerate(photos.items()):
            shown = captioned(pixels) if every and number % every == 0 else pixels
            put(tmp_path / name, f"{path}.jpg", jpeg(shown, quality=90))
        report = import_photos(FolderSource(tmp_path / name), to=tmp_path / f"{name}-pets")
        assert report.counts["groups"] == report.counts["originals"] == 28
        assert report.counts["near_duplicates"] == report.counts["conflicts"] == 0
        splits[name] = Counter((row.label, row.split) for row in report.index)
    assert splits["captioned"] == splits["plain"]
    assert len(splits["plain"]) == 6
    assert any("share the same region: the bottom" in line for line in report.notices)
    (shared,) = read_shared_regions(tmp_path / "captioned-pets")
    assert shared.region.startswith("the bottom")
    assert len(shared.paths) == 14
    found = validate_dataset(tmp_path / "captioned-pets")
    (issue,) = [one for one in found.issues if one.code == "shared_region"]
    assert issue.message.startswith("14 photos of 2 classes share the same region: the bottom")
    assert issue.paths == shared.paths
    assert not found.has_blocking_issues


def test_the_facts_of_an_import_are_known_to_the_letter(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    put(source, "happy/notes.txt", b"x")
    put(source, "sad/twin.png", photo_bytes(4, mirrored=True))
    options = ImportOptions(
        drop_leaking=True, seed=3, fractions=Fractions(0.5, 0.25, 0.25), classes=parse_class_options(["other=calm"])
    )
    report = import_photos(
        FolderSource(source), to=tmp_path / "pets", options=options, find_near_duplicates=mirror_finder
    )
    assert json.loads((tmp_path / "pets/import.json").read_text()) == {
        "schema_version": 2,
        "source": "folder",
        "options": {
            "skip_bad": False,
            "drop_leaking": True,
            "seed": 3,
            "fractions": {"train": 0.5, "valid": 0.25, "test": 0.25},
            "classes": {"renamed": {"other": "calm"}, "allowed": []},
        },
        "classes": ["angry", "calm", "happy", "sad"],
        "counts": {
            "originals": 16, "near_duplicates": 1, "excluded": 0, "groups": 16, "conflicts": 1, "rejected": 1,
            **{split: sum(row.split == split for row in report.index) for split in ("train", "valid", "test")},
        },
        "data_hash": report.index.hash,
    }  # fmt: skip
    written = contents(tmp_path / "pets")
    assert written["rejected.csv"] == (
        b"path,reason,message\nhappy/notes.txt,not_a_photo,the suffix is not one of a photo\n"
    )
    assert written["relations.csv"] == (
        b"first,second,kind,evidence\n"
        b'photos/happy/0.png,photos/sad/twin.png,near_duplicate,"60 inliers, scale 1.00, mirrored"\n'
    )
    assert written["shared_regions.json"] == b"[]\n"
    assert report.rejected == (ImportProblem("happy/notes.txt", "not_a_photo", "the suffix is not one of a photo"),)
    counts = ", ".join(f"{name} {report.counts[name]}" for name in ("train", "valid", "test"))
    check = shell_command("data", "check", tmp_path / "pets")
    assert report.folder == tmp_path / "pets"
    assert report.summary() == (
        f"16 originals and 1 near-duplicates in 16 groups ({counts}); 0 excluded, 1 rejected.\n"
        "Classes outside of the default set (angry, happy, other, sad), taken as they are: calm (4 photos).\n"
        f"1 group has photos with two labels: see `{check}`."
    )


def test_by_default_an_import_is_strict_and_keeps_leaks_out(tmp_path: Path) -> None:
    import_photos(FolderSource(tree(tmp_path / "in")), to=tmp_path / "pets", find_near_duplicates=mirror_finder)
    assert json.loads((tmp_path / "pets/import.json").read_text())["options"] == {
        "skip_bad": False,
        "drop_leaking": False,
        "seed": 0,
        "fractions": {"train": 0.7, "valid": 0.15, "test": 0.15},
        "classes": {"renamed": {}, "allowed": []},
    }


def test_every_step_of_an_import_is_shown(tmp_path: Path) -> None:
    progress = RecordedProgress()
    import_photos(
        FolderSource(tree(tmp_path / "in")), to=tmp_path / "pets", find_near_duplicates=mirror_finder, progress=progress
    )
    assert progress.loops == [(16, "scanning folders"), (16, "looking for mirror images"), (16, "copying photos")]


def test_lines_for_the_user_come_in_the_order_of_the_steps(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", splits=("test",), first_seed=100)
    tree(source, each=6, splits=("train",))
    for label in ("angry", "happy", "other", "sad"):
        (source / f"train/{label}/.DS_Store").write_bytes(b"x")
    for k in range(4):
        put(source, f"train/fear/{k}.png", photo_bytes(300 + k))

    def finder(photos: Iterable[NDArray[np.uint8]], *, total: int | None, progress: ProgressBar) -> Relations:
        assert len(list(progress(photos, total=total))) == 44
        return Relations([], shared=[SharedRegion((0, 1), (0.0, 0.75, 1.0, 1.0))])

    first = import_photos(FolderSource(source), to=tmp_path / "pets", find_near_duplicates=finder)
    again = import_photos(FolderSource(source), to=tmp_path / "pets", find_near_duplicates=finder)
    moved = first.counts["valid"]
    lines = (
        "Passed over 4 entries that are hidden or made by a tool: .DS_Store (4).",
        "Classes outside of the default set (angry, happy, other, sad), taken as they are: fear (4 photos).",
        (
            "2 photos of 1 class share the same region: the bottom 25% of the frame. It wasn't used to group photos. "
            "A model may learn it in place of the animal: crop it off."
        ),
        f"The source has no photo in valid: {moved} of its 28 training photos were moved there, by group.",
    )
    assert first.notices == lines
    assert again.notices == (
        *lines, f"Replaces data version {first.index.hash[:12]} with 44 photos: 44 kept, 0 gone, 0 new."
    )  # fmt: skip
    assert json.loads((tmp_path / "pets/shared_regions.json").read_text()) == [
        {"region": "the bottom 25% of the frame", "paths": ["photos/test/angry/0.png", "photos/test/angry/1.png"]}
    ]


def dropped(count: int) -> ImportReport:
    """Return a report of two photos in use, and so many that were dropped as leaking."""
    used = [
        IndexRow(f"photos/{k}", f"{k}" * 64, "happy", split, f"{k}", Role.ORIGINAL, 1, 1, "PNG")
        for k, split in enumerate((Split.TRAIN, Split.TEST))
    ]
    leaking = [
        replace(used[0], path=f"photos/l{k:02d}\u2028", role=Role.EXCLUDED, note="relative of test photo photos/1")
        for k in range(count)
    ]
    problem = ImportProblem("x", "bad", "why")
    return ImportReport(Path("pets"), DataIndex((*used, *leaking)), (problem, problem), tuple(leaking), 2, ("A line.",))


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, "  ... and 1 more, see the notes in index.csv\n")])
def test_the_whole_summary_of_an_import_lists_twenty_dropped_photos(count: int, more: str) -> None:
    lines = "".join(f"  photos/l{k:02d}\\u2028: relative of test photo photos/1\n" for k in range(20))
    check = shell_command("data", "check", "pets")
    assert dropped(count).summary() == (
        f"2 originals and 0 near-duplicates in 2 groups (train 1, valid 0, test 1); {count} excluded, 2 rejected.\n"
        f"A line.\nDropped from training, since a photo of the group is evaluated on: {count}.\n{lines}{more}"
        f"2 groups have photos with two labels: see `{check}`."
    )


def test_the_summary_of_a_plain_import_is_one_line_and_its_notices() -> None:
    report = replace(dropped(0), rejected=(), conflicts=0)
    assert report.summary() == (
        "2 originals and 0 near-duplicates in 2 groups (train 1, valid 0, test 1); 0 excluded, 0 rejected.\nA line."
    )


def test_a_photo_that_changes_is_named_and_an_import_of_its_copy_is_advised(tmp_path: Path) -> None:
    def finder(photos: Iterable[NDArray[np.uint8]], *, total: int | None, progress: ProgressBar) -> list[Relation]:
        assert len(list(progress(photos, total=total))) == 16
        put(tmp_path / "in", "sad/0.png", photo_bytes(77))
        return []

    with pytest.raises(DataError) as caught:
        import_photos(FolderSource(tree(tmp_path / "in")), to=tmp_path / "pets", find_near_duplicates=finder)
    assert str(caught.value) == "'sad/0.png' changed while it was imported. Import again."

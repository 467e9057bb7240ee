"""Tests of the folder that an import replaces; `test_importer` has those of whole imports."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.progress import no_progress
from petmood.data.import_target import (
    foreign_files,
    known_splits,
    read_old_dataset,
    refuse_collisions,
    refuse_own_photos,
    refuse_unrelated,
    replacement_notices,
)
from petmood.data.index import DataIndex, IndexRow, Role, Split, write_index
from petmood.data.sources.base import SourcePhoto
from petmood.data.sources.folder import FolderSource
from tests.support.trees import bring_in, put, tree


def test_a_folder_without_a_dataset_has_nothing_to_lose(tmp_path: Path) -> None:
    assert foreign_files(tmp_path / "none", shown=tmp_path / "none") == []
    assert read_old_dataset(tmp_path) is None
    assert replacement_notices(None, []) == []
    refuse_unrelated([], None, to=tmp_path)


def test_the_files_of_a_person_are_told_from_those_of_an_import(tmp_path: Path) -> None:
    bring_in(tree(tmp_path / "in"), to=tmp_path / "pets")
    put(tmp_path, "pets/photos/happy/notes.txt", b"mine")
    put(tmp_path, "pets/check.html", b"made again")
    assert foreign_files(tmp_path / "pets", shown=tmp_path / "pets") == ["photos/happy/notes.txt"]


def test_a_source_without_a_readable_photo_is_left_to_the_scan(tmp_path: Path) -> None:
    old = bring_in(tree(tmp_path / "in"), to=tmp_path / "pets").index
    entries = list(FolderSource(tree(tmp_path / "other", first_seed=50)).scan(no_progress))
    refuse_unrelated([], old, to=tmp_path / "pets")
    with pytest.raises(DataError, match="the source has none of them"):
        refuse_unrelated(entries, old, to=tmp_path / "pets")
    entries[0].path.unlink()
    with pytest.raises(DataError, match="the source has none of them"):
        refuse_unrelated(entries, old, to=tmp_path / "pets")


def text(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


def row(name: str, content: bytes, *, split: Split = Split.TRAIN, role: Role = Role.ORIGINAL) -> IndexRow:
    digest = hashlib.sha256(content).hexdigest()
    return IndexRow(f"photos/{name}", digest, "happy", split, name, role, 32, 32, "PNG")


def photo(path: Path, name: str, content: bytes = b"new", *, problem: str = "") -> SourcePhoto:
    """Write a file of a source, and return its entry."""
    put(path.parent, path.name, content)
    return SourcePhoto(path, name, "happy", problem=problem, code="code" if problem else "")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return the folder of a dataset of two photos."""
    folder = tmp_path / "pets"
    for name in ("a.png", "b.png"):
        put(folder, f"photos/{name}", name.encode())
    write_index(folder, [row("a.png", b"a.png", split=Split.TEST), row("b.png", b"b.png", role=Role.EXCLUDED)])
    return folder


def test_new_and_empty_folders_have_no_files_to_lose_and_others_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "empty/.DS_Store", b"x")
    assert foreign_files(tmp_path / "empty", shown=Path("x")) == []
    put(tmp_path, "home/.DS_Store", b"x")
    put(tmp_path, "home/letter.txt", b"dear")
    for to in (tmp_path / "home", tmp_path / "home/letter.txt"):
        assert text(lambda: foreign_files(to, shown=Path("shown"))) == (  # noqa: B023 - called at once
            "Expected 'shown' to be new, empty or an earlier import (with an index.csv), got something else that an "
            "import would replace. Choose another folder with --output."
        )


def test_every_file_of_a_person_is_listed_in_order(pets: Path) -> None:
    mine = ["notes.txt", "photos/c.png", "photos.txt", "z/index.csv", "z/check.html/x", "link", "check.txt", "z/empty/"]
    theirs = ["check.html", ".cache/x/y.npy", "rejected.csv", "relations.csv", "shared_regions.json", "import.json"]
    theirs += ["photos/.DS_Store", "z/Thumbs.db", ".index.csv.0abc1234.partial", "photos/gone/"]
    for name in mine + theirs:
        if name.endswith("/"):
            (pets / name).mkdir(parents=True)
        elif name == "link":
            (pets / name).symlink_to("notes.txt")
        else:
            put(pets, name, b"x")
    assert foreign_files(pets, shown=pets) == sorted(mine)


@pytest.mark.parametrize("name", ["photos/a.png", "index.csv", "photos"])
def test_a_link_in_place_of_a_file_of_an_import_is_one_line(pets: Path, tmp_path: Path, name: str) -> None:
    (pets / name).rename(tmp_path / "elsewhere")
    (pets / name).symlink_to(tmp_path / "elsewhere")
    assert text(lambda: foreign_files(pets, shown=Path("shown"))) == (
        f"'shown/{name}' is a link that an import would replace. Make 'shown' the link."
    )


def test_a_new_photo_that_would_replace_a_file_of_a_person_is_named(pets: Path, tmp_path: Path) -> None:
    entries = [photo(tmp_path / f"in{k}", f"{k}.png") for k in range(7)]
    refuse_collisions(entries, to=tmp_path / "none")
    refuse_collisions([*entries, photo(tmp_path / "a", "a.png")], to=pets)
    for k in range(7):
        put(pets, f"photos/{k}.png", b"old" if k != 3 else b"new")
        for path in (pets / f"photos/{k}.png", tmp_path / f"in{k}"):
            os.utime(path, (0, 0))
    assert text(lambda: refuse_collisions(entries, to=pets)) == (
        f"'{pets}' holds files of the same name as new photos, that are not from an import: photos/0.png, "
        "photos/1.png, photos/2.png, photos/4.png, photos/5.png and 1 more. Nothing was changed. Move them elsewhere."
    )
    bad = [SourcePhoto(tmp_path / "gone", entry.name, None, problem="gone", code="x") for entry in entries]
    refuse_collisions(bad, to=pets)


def test_photos_of_the_replaced_folder_cant_be_the_source(pets: Path, tmp_path: Path) -> None:
    outside = photo(tmp_path / "in.png", "in.png")
    inside = SourcePhoto(pets / "photos/a.png", "a.png", "happy")
    refuse_own_photos([outside, SourcePhoto(inside.path, "a.png", None, problem="bad", code="x")], to=pets)
    assert text(lambda: refuse_own_photos([outside, inside], to=pets)) == (
        f"'{pets}' is inside the source; an import can't read what it replaces. Choose another --output."
    )


def test_splits_of_photos_in_use_are_known(pets: Path, tmp_path: Path) -> None:
    assert known_splits(pets) == {hashlib.sha256(b"a.png").hexdigest(): Split.TEST}
    assert known_splits(tmp_path) == {}
    old = read_old_dataset(pets)
    assert old is not None
    assert [one.path for one in old] == ["photos/a.png", "photos/b.png"]


def test_a_source_is_related_by_one_photo_and_unrelated_ones_are_refused(pets: Path, tmp_path: Path) -> None:
    old = read_old_dataset(pets)
    assert old is not None
    new, known = photo(tmp_path / "new.png", "new.png"), photo(tmp_path / "a.png", "x.png", b"a.png")
    bad = photo(tmp_path / "bad.png", "bad.png", b"a.png", problem="bad")
    for entries in ([new, known], [bad], []):
        refuse_unrelated(entries, old, to=pets)
    refuse_unrelated([new], DataIndex(()), to=pets)
    refuse_unrelated([new], None, to=pets)
    assert "with 1 photo, and" in text(lambda: refuse_unrelated([new], DataIndex(old.rows[:1]), to=pets))
    assert text(lambda: refuse_unrelated([new, bad], old, to=pets)) == (
        f"'{pets}' holds data version {old.hash[:12]} with 2 photos, and the source has none of them. "
        "Nothing was changed. Choose another folder with --output, or add --replace."
    )


def test_what_an_import_replaces_is_told_by_version_and_counts(pets: Path) -> None:
    old = read_old_dataset(pets)
    assert old is not None
    new = [row("x.png", b"a.png"), *(row(f"{k}.png", f"{k}".encode()) for k in range(3))]
    assert replacement_notices(old, new) == [
        f"Replaces data version {old.hash[:12]} with 2 photos: 1 kept, 1 gone, 3 new."
    ]

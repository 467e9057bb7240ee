"""Datasets of format 1 are converted to format 2, and named in one line where they are read as they are."""

import json
from pathlib import Path

import pytest

from petmood.core.errors import DataError, OutputError
from petmood.data.duplicates.relations import RelationKind, RelationRow, read_relations
from petmood.data.index import read_index
from petmood.data.index_upgrade import upgrade_dataset, upgrade_index_bytes
from tests.support.small_sets import write_small_set
from tests.support.trees import contents, put

BACK = {"label": "mood", "group_id": "family", "near_duplicate": "copy", "excluded": "dropped"}


def as_format_1(folder: Path) -> Path:
    """Turn a dataset into one of format 1, in place."""
    lines = [line.split(",") for line in (folder / "index.csv").read_text().splitlines()]
    text = "\n".join(",".join(BACK.get(cell, cell) for cell in cells) for cells in lines) + "\n"
    (folder / "index.csv").write_text(text)
    (folder / "relations.csv").write_text("first,second,kind,evidence\na,b,same,equal bytes\na,c,relative,12 places\n")
    (folder / "import.json").write_text(json.dumps({"source": "folder", "data_hash": "0" * 64}))
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a dataset of format 1."""
    return as_format_1(write_small_set(tmp_path / "old", copies=4))


def test_an_upgraded_dataset_is_the_one_that_was_never_old(old: Path, tmp_path: Path) -> None:
    before = read_index(write_small_set(tmp_path / "new", copies=4))
    found = upgrade_dataset(old, to=tmp_path / "upgraded")
    assert found == before == read_index(tmp_path / "upgraded")
    assert {row.role for row in found} == {"original", "near_duplicate"}
    for row in found:
        assert (tmp_path / "upgraded" / row.path).read_bytes() == (old / row.path).read_bytes()
    assert read_relations(tmp_path / "upgraded") == (
        RelationRow("a", "b", RelationKind.EXACT_DUPLICATE, "equal bytes"),
        RelationRow("a", "c", RelationKind.RELATED, "12 places"),
    )
    stored = json.loads((tmp_path / "upgraded/import.json").read_text())
    assert stored == {
        "source": "folder",
        "schema_version": 2,
        "classes": ["angry", "happy", "other", "sad"],
        "data_hash": found.hash,
    }


def test_reading_an_old_dataset_names_the_command_and_the_old_one_stays(old: Path, tmp_path: Path) -> None:
    before = (old / "index.csv").read_bytes()
    with pytest.raises(DataError, match=r"has format 1, expected format 2.*petmood data upgrade FOLDER"):
        read_index(old)
    upgrade_dataset(old, to=tmp_path / "upgraded")
    assert (old / "index.csv").read_bytes() == before


def test_what_is_no_old_dataset_is_refused(old: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none"):
        upgrade_dataset(tmp_path / "nowhere", to=tmp_path / "x")
    with pytest.raises(DataError, match="isn't an index of format 1"):
        upgrade_index_bytes(b"a,b\n", name="x.csv")
    new = upgrade_dataset(old, to=tmp_path / "new")
    with pytest.raises(DataError, match="isn't an index of format 1"):
        upgrade_dataset(tmp_path / "new", to=tmp_path / "x")
    with pytest.raises(OutputError):
        upgrade_dataset(old, to=tmp_path / "new")
    assert read_index(tmp_path / "new") == new
    assert not (tmp_path / "x").exists()


OLD = "path,sha256,mood,split,family,role,width,height,format,species,note\n"
NEW = "path,sha256,label,split,group_id,role,width,height,format,species,note\n"


def line(name: str, role: str, note: str = "") -> str:
    return f"photos/{name}.png,{name * 64},copy,train,dropped,{role},32,32,PNG,,{note}\n"


def test_only_column_names_and_roles_of_an_index_are_changed() -> None:
    note = '"a, \r\n\u00e4"'
    old = OLD + line("a", "original", "copy") + line("b", "copy", note) + line("c", "dropped")
    new = NEW + line("a", "original", "copy") + line("b", "near_duplicate", note) + line("c", "excluded")
    assert upgrade_index_bytes(old.encode(), name="x") == new.encode()


@pytest.mark.parametrize("data", [b"", b"a,b\n", NEW.encode(), b"\xff\xfe"])
def test_what_is_no_index_of_format_1_is_one_line(data: bytes) -> None:
    with pytest.raises(DataError) as caught:
        upgrade_index_bytes(data, name="x.csv")
    assert str(caught.value) == "'x.csv' isn't an index of format 1. Only such an index needs an upgrade."


def test_a_damaged_index_of_format_1_is_named_by_its_line() -> None:
    with pytest.raises(DataError) as caught:
        upgrade_index_bytes((OLD + line("a", "twin")).encode(), name="x.csv")
    assert str(caught.value) == ("index.csv line 2: unknown role 'twin'. Known: original, near_duplicate, excluded")


def test_a_folder_without_an_index_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        upgrade_dataset(tmp_path, to=tmp_path / "new")
    assert str(caught.value) == f"Expected a dataset with an index.csv in '{tmp_path}', got none."
    put(tmp_path, "index.csv", NEW.encode())
    with pytest.raises(DataError) as caught:
        upgrade_dataset(tmp_path, to=tmp_path / "new")
    assert str(caught.value) == (
        f"'{tmp_path}/index.csv' isn't an index of format 1. Only such an index needs an upgrade."
    )


def test_every_file_of_an_upgraded_dataset_is_known_to_the_letter(tmp_path: Path) -> None:
    old = tmp_path / "old"
    kept = {"notes/check.html": b"mine", "photos/a.png": b"a", "rejected.csv": b"r"}
    left_out = {"check.html": b"made", ".cache/x/y.npy": b"made"}
    for name, data in (kept | left_out).items():
        put(old, name, data)
    put(old, "index.csv", (OLD + line("a", "copy")).encode())
    put(old, "relations.csv", b'first,second,kind,evidence\nsame,copy,same,"a\nb"\na,b,copy,copy\na,c,relative,x\n')
    put(old, "import.json", b'{"source": "folder", "schema_version": 1, "moods": ["x"]}')
    found = upgrade_dataset(old, to=tmp_path / "new")
    assert contents(tmp_path / "new") == kept | {
        "index.csv": (NEW + line("a", "near_duplicate")).encode(),
        "relations.csv": (
            b'first,second,kind,evidence\nsame,copy,exact_duplicate,"a\nb"\na,b,near_duplicate,copy\na,c,related,x\n'
        ),
        "import.json": (
            '{\n  "source": "folder",\n  "schema_version": 2,\n  "moods": [\n    "x"\n  ],\n  "classes": [\n'
            f'    "copy"\n  ],\n  "data_hash": "{found.hash}"\n}}\n'
        ).encode(),
    }


def test_a_dataset_of_nothing_but_an_index_is_upgraded(tmp_path: Path) -> None:
    put(tmp_path / "old", "index.csv", OLD.encode())
    assert len(upgrade_dataset(tmp_path / "old", to=tmp_path / "new")) == 0
    assert contents(tmp_path / "new") == {"index.csv": NEW.encode()}

"""Datasets of format 1 are converted to format 2, and named in one line where they are read as they are."""

import json
from pathlib import Path

import pytest

from petmood.core.errors import DataError, OutputError
from petmood.data.duplicates.relations import RelationKind, RelationRow, read_relations
from petmood.data.index import read_index
from petmood.data.index_upgrade import upgrade_dataset, upgrade_index_bytes
from tests.support.small_sets import write_small_set

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

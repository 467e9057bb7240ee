"""Tests of writing and reading relations.csv."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.relations import RELATIONS_NAME, RelationKind, RelationRow, read_relations, relations_text


def test_links_come_back_sorted(tmp_path: Path) -> None:
    links = [
        RelationRow("b", "c", RelationKind.RELATED, "12 places"),
        RelationRow("a", "b", RelationKind.NEAR_DUPLICATE, "90 places, mirrored"),
    ]
    (tmp_path / RELATIONS_NAME).write_text(relations_text(links))
    assert read_relations(tmp_path) == (links[1], links[0])


def test_the_table_is_csv_with_lf_and_sorted_lines() -> None:
    links = [
        RelationRow("b,c", "d", RelationKind.RELATED, "12 places"),
        RelationRow("a", "b", RelationKind.NEAR_DUPLICATE, "90 places, mirrored"),
    ]
    assert relations_text(links) == (
        'first,second,kind,evidence\na,b,near_duplicate,"90 places, mirrored"\n"b,c",d,related,12 places\n'
    )
    assert relations_text([]) == "first,second,kind,evidence\n"


def test_a_data_set_without_the_file_has_no_links(tmp_path: Path) -> None:
    assert read_relations(tmp_path) == ()


@pytest.mark.parametrize("content", ["", "a,b\n", "first,second,kind,evidence\na,b\n"])
def test_a_file_that_holds_no_links_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / RELATIONS_NAME).write_text(content)
    said = r"^'relations\.csv' isn't a table of relations: expected the columns first,second,kind,evidence\.$"
    with pytest.raises(DataError, match=said):
        read_relations(tmp_path)


def test_an_unknown_kind_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / RELATIONS_NAME).write_text("first,second,kind,evidence\na,b,related,x\na,c,cousin,y\n")
    said = r"^relations\.csv line 3: unknown kind 'cousin'\. Known: exact_duplicate, near_duplicate, related\. "
    with pytest.raises(DataError, match=said + r"Import the photos again\.$"):
        read_relations(tmp_path)


def test_kinds_come_back_as_members_of_the_enum(tmp_path: Path) -> None:
    (tmp_path / RELATIONS_NAME).write_text("first,second,kind,evidence\na,b,related,x\n")
    assert read_relations(tmp_path)[0].kind is RelationKind.RELATED

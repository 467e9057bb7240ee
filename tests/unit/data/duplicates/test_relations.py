"""Tests of writing and reading relations.csv."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.relations import RELATIONS_NAME, RelationRow, read_relations, relations_text


def test_links_come_back_sorted(tmp_path: Path) -> None:
    links = [
        RelationRow("b", "c", "related", "12 places"),
        RelationRow("a", "b", "near_duplicate", "90 places, mirrored"),
    ]
    (tmp_path / RELATIONS_NAME).write_text(relations_text(links))
    assert read_relations(tmp_path) == (links[1], links[0])


def test_a_data_set_without_the_file_has_no_links(tmp_path: Path) -> None:
    assert read_relations(tmp_path) == ()


@pytest.mark.parametrize("content", ["", "a,b\n", "first,second,kind,evidence\na,b\n"])
def test_a_file_that_holds_no_links_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / RELATIONS_NAME).write_text(content)
    with pytest.raises(DataError, match="first,second,kind,evidence"):
        read_relations(tmp_path)

"""Tests of import problems: error message, CSV file and spreadsheet safety."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.import_errors import ImportProblem, problems_text, read_problems, refusal, safe_cell


def test_problems_come_back_sorted(tmp_path: Path) -> None:
    problems = [
        ImportProblem("b.jpg", "empty_file", "nothing in it"),
        ImportProblem("a, b.jpg", "two_labels", 'say "what"'),
    ]
    path = tmp_path / "rejected.csv"
    path.write_text(problems_text(problems))
    assert read_problems(path) == (problems[1], problems[0])
    assert read_problems(tmp_path / "none.csv") == ()


@pytest.mark.parametrize("content", ["", "what,ever\n", "path,reason,message\nonly-one\n"])
def test_a_file_that_is_no_list_of_problems_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rejected.csv"
    path.write_text(content)
    with pytest.raises(DataError, match="path,reason,message"):
        read_problems(path)


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_can_be_taken_for_a_formula(first: str) -> None:
    assert safe_cell(f"{first}1+1") == f"'{first}1+1"
    assert safe_cell("rex.jpg") == "rex.jpg"


def test_a_refusal_shows_twenty_lines_and_counts_the_rest() -> None:
    problems = [ImportProblem(f"{k:02}.jpg", "empty_file", "nothing in it") for k in range(25)]
    text = str(refusal(problems, looked_at=40, full_list="pets.problems.csv"))
    assert "25 of 40 entries" in text
    assert "19.jpg: nothing in it [empty_file]" in text
    assert "20.jpg" not in text
    assert "and 5 more" in text
    assert "pets.problems.csv" in text
    assert "--skip-bad" in text
    assert "more" not in str(refusal(problems[:2], looked_at=2, full_list="x"))


def test_problems_are_written_to_the_letter_by_path_code_and_message(tmp_path: Path) -> None:
    problems = [
        ImportProblem("b.jpg", "y", "two"),
        ImportProblem("b.jpg", "x", "=cmd"),
        ImportProblem("b.jpg", "x", "a\r\nb, \u00e4"),
        ImportProblem("-a.jpg", "z", "one"),
    ]
    written = problems_text(problems)
    assert written == ("path,reason,message\n'-a.jpg,z,one\nb.jpg,x,'=cmd\nb.jpg,x,\"a\r\nb, \u00e4\"\nb.jpg,y,two\n")
    path = tmp_path / "rejected.csv"
    path.write_bytes(written.encode())
    assert read_problems(path) == (
        ImportProblem("'-a.jpg", "z", "one"), ImportProblem("b.jpg", "x", "'=cmd"), problems[2], problems[0]
    )  # fmt: skip


@pytest.mark.parametrize("content", ["", "what,ever\n", "path,reason,message\na,b,c\nonly-one\n"])
def test_another_table_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rejected.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_problems(path)
    assert str(caught.value) == (
        "'rejected.csv' isn't a table of import errors: expected the columns path,reason,message."
    )


def test_an_empty_cell_stays_empty() -> None:
    assert safe_cell("") == ""
    assert safe_cell("a=b") == "a=b"


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, "  ... and 1 more\n")])
def test_the_whole_refusal_is_sorted_by_path_and_code(count: int, more: str) -> None:
    problems = [ImportProblem(f"{k // 2:02}\a.jpg", "ba"[k % 2], f"m{k}") for k in range(count)]
    lines = [f"  {k // 2:02}\\x07.jpg: m{k ^ 1} [{'ab'[k % 2]}]\n" for k in range(20)]
    assert str(refusal(problems, looked_at=40, full_list="x.csv")) == (
        f"{count} of 40 entries can't be used; nothing was imported:\n{''.join(lines)}{more}"
        "Full list: x.csv. Fix the source, or skip these entries with --skip-bad."
    )

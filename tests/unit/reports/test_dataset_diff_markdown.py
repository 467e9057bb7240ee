"""Tests of the Markdown comment of a dataset diff: content, and escaping of hostile names."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.data.index import Split, read_index, write_index
from petmood.data.validation.diff_rules import check_diff
from petmood.reports.dataset_diff_markdown import dataset_diff_markdown, safe_name
from tests.support.small_sets import write_small_set

HOSTILE = [
    "`</code><img src=x onerror=alert(1)>",
    "@everyone look",
    "[click](javascript:alert(1))",
    "a | b\n| c",
    "\u202egnp.exe",
    "<!-- -->\r\n# heading",
    "::set-output name=x::y",
    "\x00\x1b[31mred",
    "${{ secrets.X }}",
    "x" * 4000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_code_span_of_harmless_signs(name: str) -> None:
    shown = safe_name(name)
    assert re.fullmatch(r"`[\w./ ()+,=~\\-]*`", shown), shown
    assert len(shown) <= 82
    assert shown.isprintable()


def test_a_plain_name_stays_as_it_is() -> None:
    assert safe_name("photos/happy/Żółw (2).jpg") == "`photos/happy/Żółw (2).jpg`"


def test_the_first_version_is_reported_with_its_counts(tmp_path: Path) -> None:
    text = dataset_diff_markdown(check_diff(write_small_set(tmp_path / "pets")))
    assert text.startswith("## Data `pets`: accepted\n")
    assert "the first version: **64** photos added" in text
    assert "| happy | 8 | 4 | 4 | 16 |" in text
    assert "distance" not in text


def test_a_bad_version_is_reported_with_reasons_differences_and_drift(tmp_path: Path) -> None:
    last, new = write_small_set(tmp_path / "last"), write_small_set(tmp_path / "pets", test=20)
    first = next(row for row in read_index(new) if row.path.endswith("train-000.png"))
    hostile = "photos/`@everyone`\n# <b>.png"
    (new / first.path).rename(new / hostile)
    write_index(new, [replace(row, path=hostile, split=Split.TEST) if row == first else row for row in read_index(new)])
    text = dataset_diff_markdown(check_diff(new, against=last))
    assert text.startswith("## Data `pets`: rejected as the next version\n")
    assert "- **train_test_leak**: 1 evaluation photos were training photos in the previous version: `photos/" in text
    assert re.search(r"^\| \w+ \| 7 \(-1\) \| 4 \| 6 \(\+2\) \| 17 \(\+1\) \|$", text, re.MULTILINE)
    assert re.search(r"^\| brightness \| 0\.\d+ \| 0\.\d+ \| 0\.\d+ \| [\d.e-]+ \|$", text, re.MULTILINE)
    assert "@everyone" not in text
    assert "<b>" not in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == []


def test_a_long_list_of_photos_is_cut(tmp_path: Path) -> None:
    last, new = write_small_set(tmp_path / "last"), write_small_set(tmp_path / "new")
    write_index(new, [replace(row, split=Split.TEST) if row.split == "train" else row for row in read_index(new)])
    text = dataset_diff_markdown(check_diff(new, against=last))
    assert " and 22 more" in text
    assert len(text) < 10_000

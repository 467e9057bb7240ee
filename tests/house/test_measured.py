"""Figures of README and docs: written from the records of what commands left, and nowhere else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from benchmarks import measured
from benchmarks.__main__ import names
from benchmarks.measured_records import RECORDS, Record, read_records, record_of
from petmood.core.files import atomic_write_json
from tests.support.source_tree import ROOT

HERE = ROOT / RECORDS
RECORD = Record(
    commands=("petmood crossval",),
    file="crossval.json",
    code="0.1.0+g1a2b3c4",
    data="4dfaec",
    date="2026-11-29",
    values={"accuracy": {"value": 0.489, "low": 0.433, "high": 0.545}, "photos": 3774},
)
TEMPLATE = "{{ pets.accuracy | estimate }} of {{ pets.photos | count }}, on {{ records['pets'].date }}\n"


@pytest.mark.parametrize("name", measured.PAGES)
def test_a_page_has_the_figures_of_the_records(name: str) -> None:
    page = (ROOT / name).read_text("utf-8")
    assert measured.written(page, read_records(HERE), HERE) == page, "run: python -m benchmarks.measured"


@pytest.mark.parametrize("name", measured.PAGES_OF_FIGURES)
def test_a_page_has_no_measured_figure_outside_of_its_blocks(name: str) -> None:
    assert measured.loose_figures((ROOT / name).read_text("utf-8")) == []


@pytest.mark.parametrize("path", sorted(HERE.glob("*.j2")), ids=lambda path: path.stem)
def test_a_template_has_no_figure_of_its_own(path: Path) -> None:
    assert measured.loose_figures(path.read_text("utf-8")) == []


def test_every_template_is_a_block_of_one_page() -> None:
    blocks = [block for name in measured.PAGES for block in measured.block_names((ROOT / name).read_text("utf-8"))]
    assert sorted(blocks) == sorted(path.name.removesuffix(".md.j2") for path in HERE.glob("*.j2"))


@pytest.mark.parametrize(("name", "record"), read_records(HERE).items(), ids=read_records(HERE))
def test_a_record_says_where_its_figures_come_from(name: str, record: Record) -> None:
    assert record.commands or record.note, name
    assert record.note or (record.file and record.code), "without the file of a command, a note must say from what"


def test_a_changed_record_changes_the_block_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "one.md.j2").write_text(TEMPLATE, "utf-8")
    page = "Before 12%.\n<!-- measured: one -->\nold\n<!-- end: one -->\nAfter.\n"
    first = measured.written(page, {"pets": RECORD}, tmp_path)
    assert first == (
        "Before 12%.\n<!-- measured: one -->\n48.9% (43.3 to 54.5) of 3,774, on 2026-11-29\n<!-- end: one -->\nAfter.\n"
    )
    assert measured.written(first, {"pets": RECORD}, tmp_path) == first
    later = replace(RECORD, date="2026-11-30")
    assert measured.written(first, {"pets": later}, tmp_path) == first.replace("11-29", "11-30")


def test_a_block_without_a_template_or_a_record_is_an_error(tmp_path: Path) -> None:
    page = "<!-- measured: one -->\n<!-- end: one -->\n"
    with pytest.raises(TemplateNotFound, match="one"):
        measured.written(page, {"pets": RECORD}, tmp_path)
    (tmp_path / "one.md.j2").write_text(TEMPLATE, "utf-8")
    with pytest.raises(UndefinedError, match="pets"):
        measured.written(page, {}, tmp_path)


@pytest.mark.parametrize(
    "figure",
    [
        "48.2%",
        "53%",
        "7 GB",
        "0.5 MB",
        "15 ms",
        "2 minutes",
        "1.7 minutes",
        "1.5 s",
        "43.1 to 53.3",
        "30 to 60%",
        "0.937",
    ],
)
def test_a_share_an_interval_a_decimal_a_time_or_a_size_looks_measured(figure: str) -> None:
    (found,) = measured.loose_figures(f"First line.\nIt is {figure} here.\n")
    assert found.startswith("2: ")
    assert found[3:] in figure
    inside = f"<!-- measured: one -->\nIt is {figure}.\n<!-- end: one -->\n"
    assert measured.loose_figures(inside) == []


@pytest.mark.parametrize(
    "text",
    [
        "with a 95% interval over groups",
        "Python 3.11 or later, petmood 0.1.0",
        "A 13000 x 13000 PNG, and 1,036 photos",
        "`trainer.max_epochs=20 # 5 minutes`",
        "```bash\nsleep 5 s # 12% of it\n```",
        "[45](https://example.org/45%20to%2050)",
    ],
)
def test_a_level_a_version_a_count_and_code_do_not(text: str) -> None:
    assert measured.loose_figures(text) == []


def test_a_cross_validation_is_recorded_with_its_code_and_data_and_without_its_folds(tmp_path: Path) -> None:
    found = {"metrics": {"accuracy": {"value": 0.5}}, "folds": [1, 2], "code_version": "0.1.0+g1a2b3c4"}
    atomic_write_json(tmp_path / "crossval.json", {**found, "baselines": {"hog_svm": {"folds": [3], "repeats": 1}}})
    (tmp_path / "folds").mkdir()
    atomic_write_json(tmp_path / "folds/origin.json", {"data": "4dfaec"})
    record = record_of(tmp_path, commands=("petmood crossval",))
    assert (record.file, record.code, record.data) == ("crossval.json", "0.1.0+g1a2b3c4", "4dfaec")
    assert record.values["metrics"] == found["metrics"]
    assert "folds" not in json.dumps(record.values)
    atomic_write_json(tmp_path / "crossval.json", {**found, "data_hash": "5e83c8"})
    assert record_of(tmp_path, commands=("petmood crossval",)).data == "5e83c8", "the file itself comes first"


def test_a_record_of_a_runs_variants_has_the_table_with_its_processor(tmp_path: Path) -> None:
    found = {"code_version": "0.1.0", "data_hash": "5e83c8", "processor": "AMD EPYC", "rows": [{"name": "fp32"}]}
    atomic_write_json(tmp_path / "optimize.json", found)
    record = record_of(tmp_path, commands=("petmood optimize",))
    assert (record.file, record.code, record.data) == ("optimize.json", "0.1.0", "5e83c8")
    assert record.values["rows"] == [{"name": "fp32"}]


def test_every_benchmark_that_make_bench_runs_is_a_program() -> None:
    """Modules without one were run as benchmarks, and counted as not met."""
    without = [name for name in names() if "__main__" not in (ROOT / f"benchmarks/{name}.py").read_text("utf-8")]
    assert without == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 940 | size }}", "940 bytes"),
        ("{{ 53000 | size }}", "53 kB"),
        ("{{ 1.5e15 | size }}", "1.5 PB"),
        ("{{ 3e18 | size }}", "3,000 PB"),
        ("{{ 0.012 | duration }}", "12 ms"),
        ("{{ 0 | duration }}", "0 ms"),
        ("{{ 119 | duration }}", "120 s"),
        ("{{ 5400 | duration }}", "90 minutes"),
        ("{{ 86400 | duration }}", "24 hours"),
        ("{{ 3.5e8 | duration }}", "11 years"),
        ("{{ 1234 | rounded }} {{ 0.0471 | rounded }} {{ 1.75 | rounded }}", "1,200 0.047 1.8"),
    ],
)
def test_sizes_and_times_are_written_with_two_digits(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "one.md.j2").write_text(text)
    page = "<!-- measured: one -->\n<!-- end: one -->\n"
    assert measured.written(page, {}, tmp_path).splitlines()[1] == expected

"""Tests of the source registry and of parsing names, splits and species."""

from pathlib import Path

import pytest

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError
from petmood.data.sources import TableOptions, open_source, source, source_names
from petmood.data.sources.base import normalize_species, parse_split
from petmood.data.sources.csv_file import CsvSource


def test_four_sources_are_declared() -> None:
    assert source_names() == ("csv", "demo", "folder", "kaggle")


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Unknown source 'ftp'\. Known: csv, demo, folder, kaggle"):
        open_source("ftp")


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'folder' is declared twice"):
        source("folder")(lambda _path, _table: open_source("demo"))


@pytest.mark.parametrize("name", ["csv", "folder"])
def test_a_source_that_needs_a_path_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"petmood data import {name} PATH"):
        open_source(name)
    with pytest.raises(DataError, match="found nothing"):
        open_source(name, tmp_path / "none")


def test_a_path_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,label\n")
    with pytest.raises(DataError, match="got the file"):
        open_source("folder", tmp_path / "labels.csv")
    with pytest.raises(DataError, match="got the folder"):
        open_source("csv", tmp_path)
    with pytest.raises(DataError, match="takes no path"):
        open_source("demo", tmp_path)


def test_each_source_opens_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,label\n")
    paths = {"csv": tmp_path / "labels.csv", "demo": None, "folder": tmp_path, "kaggle": None}
    for name, path in paths.items():
        opened = open_source(name, path)
        assert opened.name == name
        assert opened.skip_bad_by_default is (name in {"demo", "kaggle"})
        opened.close()


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Train", "train"),
        (" VAL ", "valid"),
        ("validation", "valid"),
        ("Test", "test"),
        ("cats", None),
        ("DEV", "valid"),
        ("Testing", "test"),
        ("train_set", "train"),
        ("Test Set", "test"),
        ("trainer", None),
        ("trainset", "train"),
        ("VALIDATION-SET", "valid"),
        ("set", None),
        ("set train", None),
        ("", None),
    ],
)
def test_split_names_are_understood_in_any_case(text: str, split: str | None) -> None:
    assert parse_split(text) == split


def test_options_of_a_table_are_refused_for_a_source_without_one(tmp_path: Path) -> None:
    assert open_source("folder", tmp_path, table=TableOptions()).name == "folder"
    with pytest.raises(ConfigError, match="'folder' reads no table of labels: leave out --photo-column"):
        open_source("folder", tmp_path, table=TableOptions(label_column="x"))


def test_a_path_that_cant_be_one_is_refused(tmp_path: Path) -> None:
    for name in ("x" * 300, "nul\0"):
        with pytest.raises(DataError, match="found nothing"):
            open_source("folder", tmp_path / name)


@pytest.mark.parametrize(
    ("text", "species"),
    [
        ("=1+1 Cat\n", "11 cat"),
        (" _-Sugar-Glider_X- ", "sugar-glider_x-"),
        ("x" * 41, "x" * 40),
        ("\u00c4ffchen", "\u00e4ffchen"),
    ],
)
def test_a_species_holds_no_formula(text: str, species: str) -> None:
    assert normalize_species(text) == species


def message(name: str, path: Path | None = None, **options: TableOptions) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        open_source(name, path, **options)
    return str(caught.value)


def test_what_cant_be_opened_is_one_whole_line_with_the_next_step(tmp_path: Path) -> None:
    command = shell_command("data", "import", "folder", "PATH", "--output", "data/pets")
    assert message("folder") == f"Source 'folder' needs a folder of class folders. Type: {command}"
    assert message("folder", tmp_path / "x") == (
        f"Expected a folder of class folders at '{tmp_path}/x', found nothing (No such file or directory). "
        "Check the path."
    )
    assert message("folder", tmp_path / "x\0") == (
        f"Expected a folder of class folders at '{tmp_path}/x\0', found nothing (not a path). Check the path."
    )
    assert message("ftp") == "Unknown source 'ftp'. Known: csv, demo, folder, kaggle."
    assert message("demo", table=TableOptions(delimiter=";")) == (
        "Source 'demo' reads no table of labels: leave out --photo-column, --label-column, --split-column and "
        "--delimiter, or use the source csv."
    )


def test_options_reach_the_source_that_reads_a_table(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,label\n")
    opened = open_source("csv", tmp_path / "labels.csv", table=TableOptions(label_column="x"))
    assert isinstance(opened, CsvSource)
    assert (opened.table, opened.options) == (tmp_path / "labels.csv", TableOptions(label_column="x"))

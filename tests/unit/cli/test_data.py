"""Do the verbs for photos import a folder, and end with 1 where a check finds a leak?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.moods import MOODS
from petmood.data.index import read_index, write_index
from tests.integration.small_sets import write_small_set
from tests.pictures import jpeg, photo_like

__all__: list[str] = []


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return class folders with three unlike photos each."""
    folder = tmp_path / "photos"
    for number, mood in enumerate(np.repeat(MOODS, 3)):
        (folder / mood).mkdir(parents=True, exist_ok=True)
        (folder / mood / f"{number}.jpg").write_bytes(jpeg(photo_like(120, 90, seed=50 + number)))
    return folder


def test_a_folder_is_imported_and_found_fit(petmood: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    done = petmood("data", "import", "folder", photos, "--to", tmp_path / "pets")
    assert (done.code, done.err) == (0, "")
    index = read_index(tmp_path / "pets")
    assert f"version {index.hash[:12]}. Next: petmood data check {tmp_path}/pets\n" in done.out
    assert len(index) == 12
    done = petmood("data", "check", tmp_path / "pets")
    assert done.code == 0
    assert "Verdict: fit to measure on." in done.out
    assert (tmp_path / "pets/check.html").is_file()


def test_an_empty_class_is_refused_in_one_line_or_report(
    petmood: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    for photo in (photos / "sad").iterdir():
        photo.unlink()
    done = petmood("data", "import", "folder", photos, "--to", tmp_path / "pets")
    assert (done.code, done.out) == (2, "")
    assert "sad" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "pets").exists()


def test_a_leak_makes_the_check_end_with_1(petmood: Callable[..., Any], tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "leaky", train=8, valid=4, test=4)
    rows = list(read_index(data))
    first = next(row for row in rows if row.split == "test")
    write_index(
        data, [replace(row, family=first.family) if row.path.endswith("train-000.png") else row for row in rows]
    )
    done = petmood("data", "check", data)
    assert done.code == 1
    assert "[SPOILS]" in done.out
    assert "train-000.png" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "nowhere", "x", "--to", "y"], "nowhere"),
        (["import", "folder", "missing", "--to", "y"], "missing"),
        (["check", "missing"], "Expected a data set with an index.csv in 'missing'"),
    ],
)
def test_what_is_missing_is_one_line_and_code_2(petmood: Callable[..., Any], arguments: list[str], said: str) -> None:
    done = petmood("data", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1

"""`petmood monitor`: generated files and one-line errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from petmood.monitoring.generated_files import generated_files


def test_dashboards_writes_every_file_and_lists_it(petmood: Callable[..., Any], tmp_path: Path) -> None:
    done = petmood("monitor", "dashboards", "--output", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [str(tmp_path / "new" / name) for name in generated_files()]
    assert {name: (tmp_path / "new" / name).read_text() for name in generated_files()} == generated_files()


def test_a_folder_that_is_a_file_is_one_line(petmood: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = petmood("monitor", "dashboards", "--output", tmp_path / "taken")
    assert done.code == 2
    assert done.err.startswith("petmood: ")
    assert done.err.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"

"""Generated files: those of the repository, and how a folder with other files is written."""

from pathlib import Path

import pytest

from petmood.core.errors import OutputError
from petmood.monitoring.alerts.rules import alert_rules
from petmood.monitoring.alerts.table import rules_table
from petmood.monitoring.generated_files import generated_files, write_files


def test_the_committed_files_are_those_that_the_command_writes(root: Path) -> None:
    folder = root / "deploy/monitoring"
    committed = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }
    assert committed == generated_files(), "run: petmood monitor dashboards"


def test_every_rule_has_a_policy_of_its_own() -> None:
    policies = [name for name in generated_files() if name.startswith("cloud-monitoring/")]
    assert policies == [f"cloud-monitoring/{rule.name}.json" for rule in alert_rules()]


def test_the_table_of_the_page_is_that_of_the_rules(root: Path) -> None:
    assert rules_table(alert_rules()) in (root / "docs/monitoring.md").read_text("utf-8"), (
        "copy the table of deploy/monitoring/alerts.md to docs/monitoring.md"
    )


def test_other_files_of_the_folder_stay_and_own_ones_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "grafana").mkdir()
    (tmp_path / "grafana/mine.json").write_text("{}")
    (tmp_path / "a.yml").write_text("old")
    write_files({"a.yml": "new\n", "grafana/petmood.json": "{}\n"}, to=tmp_path)
    assert (tmp_path / "grafana/mine.json").read_text() == "{}"
    assert (tmp_path / "a.yml").read_text() == "new\n"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.yml", "mine.json", "petmood.json"]


def test_nothing_is_written_if_one_file_can_t_be(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file")
    with pytest.raises(OutputError, match="is not a writable folder"):
        write_files({"a.yml": "new", "b/c.yml": "new"}, to=tmp_path)
    (tmp_path / "d.yml").mkdir()
    with pytest.raises(OutputError, match="got the folder"):
        write_files({"a.yml": "new", "d.yml": "new"}, to=tmp_path)
    assert not (tmp_path / "a.yml").exists()

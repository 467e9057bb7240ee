"""Alert rules read and evaluated by promtool, at their real durations."""

from pathlib import Path

import pytest

from petmood.monitoring.alerts.prometheus import alertmanager_example, prometheus_rules
from petmood.monitoring.alerts.rules import alert_rules
from tests.support.alert_stories import LONG_STORIES, STORIES, Story, rule_tests
from tests.support.prometheus import run_program

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


def test_prometheus_and_alertmanager_read_what_is_generated(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(prometheus_rules(alert_rules()))
    (tmp_path / "alertmanager.yml").write_text(alertmanager_example())
    said = run_program("promtool", "check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yml")
    assert f"{len(alert_rules())} rules found" in said
    assert "2 receivers" in run_program("amtool", "check-config", tmp_path / "alertmanager.yml")


@pytest.mark.parametrize(("stories", "evaluation"), [(LONG_STORIES, "10m"), (STORIES, "1m")], ids=["days", "hours"])
def test_every_rule_fires_at_its_limit_is_silent_below_it_and_resolves(
    tmp_path: Path, stories: tuple[Story, ...], evaluation: str
) -> None:
    (tmp_path / "rules.yml").write_text(prometheus_rules(alert_rules()))
    tests = rule_tests(stories, alert_rules(), rules_file="rules.yml", evaluation=evaluation)
    (tmp_path / "tests.yml").write_text(tests)
    assert "SUCCESS" in run_program("promtool", "test", "rules", "tests.yml", cwd=tmp_path)


def test_every_rule_fires_in_a_story() -> None:
    fired = {name for story in (*LONG_STORIES, *STORIES) for names in story.fires.values() for name in names}
    assert fired == {rule.name for rule in alert_rules()}

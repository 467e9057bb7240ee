"""Prometheus rules and Alertmanager's example as YAML; the programs themselves read them in a proof."""

from dataclasses import replace

import yaml

from petmood.monitoring.alerts.prometheus import alertmanager_example, prometheus_rules
from petmood.monitoring.alerts.rules import alert_rules


def test_the_yaml_holds_every_rule_as_it_is() -> None:
    groups = yaml.safe_load(prometheus_rules(alert_rules()))["groups"]
    read = [(group["name"], one) for group in groups for one in group["rules"]]
    assert len({group["name"] for group in groups}) == len(groups)
    for rule, (group, one) in zip(alert_rules(), read, strict=True):
        assert (group, one["alert"], one["expr"], one["for"]) == (rule.group, rule.name, rule.expr, rule.hold)
        assert one["labels"] == {"severity": str(rule.severity)}
        assert one["annotations"] == {
            "summary": rule.summary,
            "description": rule.meaning,
            "runbook": rule.runbook,
        }


def test_odd_characters_in_a_text_stay_as_they_are() -> None:
    odd = "a: 'b' \"c\" # d \\ é."
    (group,) = yaml.safe_load(prometheus_rules([replace(alert_rules()[0], summary=odd)]))["groups"]
    assert group["rules"][0]["annotations"]["summary"] == odd


def test_pages_and_tickets_go_to_different_receivers_one_alert_in_a_notification() -> None:
    config = yaml.safe_load(alertmanager_example(hook="http://127.0.0.1:1"))
    assert config["route"]["receiver"] == "tickets"
    assert config["route"]["group_by"] == ["alertname"]
    assert config["route"]["group_interval"] == "5m"
    (pages,) = config["route"]["routes"]
    assert (pages["matchers"], pages["receiver"]) == (['severity = "page"'], "pages")
    hooks = {one["name"]: one["webhook_configs"][0] for one in config["receivers"]}
    assert {name: hook["url"] for name, hook in hooks.items()} == {
        "pages": "http://127.0.0.1:1/pages",
        "tickets": "http://127.0.0.1:1/tickets",
    }
    assert all(hook["send_resolved"] for hook in hooks.values())


def test_a_rehearsal_waits_less() -> None:
    assert "group_wait: 250ms\n" in alertmanager_example(factor=120)

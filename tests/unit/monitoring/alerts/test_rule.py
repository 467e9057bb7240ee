"""Durations of PromQL, and rules whose durations are divided."""

import pytest

from petmood.core.errors import ConfigError
from petmood.monitoring.alerts.rule import Rule, Severity, duration_text, seconds_of, shortened, shortened_rule


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("6h", 21_600), ("3d", 259_200)]
)
def test_a_duration_is_read_and_written(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert duration_text(seconds) == text


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "1h30m", "-5m"])
def test_what_is_not_a_duration_of_one_unit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Expected a duration such as 5m"):
        seconds_of(text)


def test_ranges_and_offsets_are_divided_and_nothing_else_is() -> None:
    expr = 'rate(x{route="/5m",le="1h"}[5m]) > 14.4 and count(x offset 3d) > 100'
    assert shortened(expr, factor=100) == 'rate(x{route="/5m",le="1h"}[3s]) > 14.4 and count(x offset 2592s) > 100'


def test_a_shortened_rule_holds_for_less_and_is_the_same_otherwise() -> None:
    rule = Rule("A", "g", Severity.PAGE, "x[5m]", "1m", "limit", "summary", "meaning", "runbook")
    short = shortened_rule(rule, factor=60)
    assert (short.expr, short.hold) == ("x[5s]", "1s")
    assert (short.name, short.group, short.severity, short.runbook) == ("A", "g", Severity.PAGE, "runbook")

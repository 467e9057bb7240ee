"""Record of an alert rule, and its durations in PromQL."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from petmood.core.errors import ConfigError

__all__ = ["Rule", "Severity", "duration_text", "seconds_of", "shortened", "shortened_rule"]

UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION: Final = re.compile(r"(\d+)(ms|[smhd])")
RANGES: Final = re.compile(r"(?P<before>\[|\boffset )(?P<duration>\d+(?:ms|[smhd]))\b")
"""Durations of a PromQL expression: ranges and offsets."""


class Severity(StrEnum):
    """How soon a person has to act: at once, or within working hours."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: it fires when ``expr``, in PromQL, returns a series for the duration ``hold``.

    ``summary`` is the notification's headline, ``meaning`` the effect on the service's users, and ``runbook`` what to
    inspect first. ``limit`` is the condition in words, for the table.
    """

    name: str
    group: str
    severity: Severity
    expr: str
    hold: str
    limit: str
    summary: str
    meaning: str
    runbook: str


def seconds_of(duration: str) -> float:
    """Return the seconds of a PromQL duration of one unit.

    Raises:
        ConfigError: it is not a number with a unit.

    >>> seconds_of("5m"), seconds_of("2500ms")
    (300.0, 2.5)
    """
    if found := DURATION.fullmatch(duration):
        return int(found[1]) * UNITS_MS[found[2]] / 1000
    raise ConfigError(f"Expected a duration such as 5m, got {duration!r}. Units: {', '.join(UNITS_MS)}.")


def duration_text(seconds: float) -> str:
    """Return seconds as a PromQL duration in the largest unit that divides it.

    >>> duration_text(300), duration_text(2.5), duration_text(0)
    ('5m', '2500ms', '0s')
    """
    ms = round(seconds * 1000)
    if ms == 0:
        return "0s"
    unit = next(unit for unit, size in reversed(UNITS_MS.items()) if ms % size == 0)
    return f"{ms // UNITS_MS[unit]}{unit}"


def shortened(expr: str, *, factor: float) -> str:
    """Return a PromQL expression with every range and offset divided by a factor.

    >>> shortened("sum(increase(x[1h])) == 0 and count(x offset 1h) > 0", factor=120)
    'sum(increase(x[30s])) == 0 and count(x offset 30s) > 0'
    """

    def divide(match: re.Match[str]) -> str:
        return match["before"] + duration_text(seconds_of(match["duration"]) / factor)

    return RANGES.sub(divide, expr)


def shortened_rule(rule: Rule, *, factor: float) -> Rule:
    """Return a rule with every duration divided by a factor, for a rehearsal that takes minutes."""
    hold = duration_text(seconds_of(rule.hold) / factor)
    return replace(rule, expr=shortened(rule.expr, factor=factor), hold=hold)

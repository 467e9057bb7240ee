"""Objectives of the service and the limits of its alerts."""

from dataclasses import dataclass
from typing import Final

__all__ = ["BURN_WINDOWS", "LIMITS", "AlertLimits", "BurnWindow"]


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """Pair of windows in which the error budget is spent ``rate`` times as fast as the objective allows.

    The long window says that the failures matter, the short one that they still happen. ``requests`` is the least
    number in the long window: with fewer, one failure would be a large share.
    """

    name: str
    rate: float
    long: str
    short: str
    requests: int
    pages: bool


BURN_WINDOWS: Final = (
    BurnWindow("Fast", 14.4, "1h", "5m", requests=100, pages=True),
    BurnWindow("Medium", 6, "6h", "30m", requests=200, pages=True),
    BurnWindow("Slow", 1, "3d", "6h", requests=1000, pages=False),
)
"""Windows and rates of the SRE Workbook of Google (2018), chapter 5, for an objective over 30 days.

In 1 h a rate of 14.4 spends 2% of the budget, in 6 h a rate of 6 spends 5%, in 3 d a rate of 1 spends 10%.
"""


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """Objectives and limits; shares are from 0 to 1.

    ``availability`` is the share of valid requests that are answered, over 30 days. ``unauthorized`` is the share of
    requests in 30 minutes that may be refused for their token, evaluated from ``unauthorized_requests`` refusals on.
    ``p99_s`` is the bound in seconds of the 99th percentile of ``POST /predict``, and ``other_p99_s`` that of the other
    routes; both are bounds of the histogram. ``queue`` is the share of the queue that may be filled on average over 5
    minutes. ``overloads`` are requests and connections refused in 10 minutes. ``abstentions`` and ``out_of_domain`` are
    shares of an hour's predictions, evaluated from ``predictions`` on. ``latency_requests`` is the least number of
    answered requests in 10 minutes for the percentile.
    """

    availability: float = 0.995
    unauthorized: float = 0.5
    unauthorized_requests: int = 20
    p99_s: float = 1.0
    other_p99_s: float = 10.0
    latency_requests: int = 100
    queue: float = 0.8
    overloads: int = 20
    abstentions: float = 0.6
    out_of_domain: float = 0.3
    predictions: int = 50

    @property
    def error_budget(self) -> float:
        """Share of valid requests that may fail."""
        return round(1 - self.availability, 9)


LIMITS: Final = AlertLimits()

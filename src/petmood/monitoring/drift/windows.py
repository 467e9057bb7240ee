"""The alert of several drifting windows in a row."""

from dataclasses import dataclass
from typing import Final

from petmood.monitoring.metric_names import DriftStatus

__all__ = ["IN_A_ROW", "AlertState"]

IN_A_ROW: Final = 3
"""Drifting windows in a row that make an alert."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """State after a sequence of windows: whether an alert is active, and the drifting windows in a row at its end."""

    active: bool = False
    in_a_row: int = 0

    def after(self, status: DriftStatus) -> "AlertState":
        """Return the state after one more window.

        ``IN_A_ROW`` drifting windows in a row start an alert, one ``ok`` ends it, ``insufficient`` changes nothing.
        """
        if status is DriftStatus.INSUFFICIENT:
            return self
        if status is DriftStatus.OK:
            return AlertState()
        return AlertState(self.active or self.in_a_row + 1 >= IN_A_ROW, self.in_a_row + 1)

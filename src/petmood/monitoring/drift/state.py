"""State of the repeated drift tests of a bundle, kept in the prediction log's database: last tested row and alert."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.database import reaching, reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, RowPlace
from petmood.monitoring.prediction_log.tables import DRIFT_STATES

__all__ = ["IN_A_ROW", "AlertState", "DriftState", "read_state", "write_state"]

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


@dataclass(frozen=True, slots=True)
class DriftState:
    """Place of the last row of the last window that was tested, and the alert after that window."""

    place: RowPlace
    alert: AlertState


def read_state(engine: Engine, bundle: LoggedBundle) -> DriftState | None:
    """Return the state of a bundle's tests that was written last, None if none was.

    Raises:
        LogUnavailable: the database can't be reached, or the table can't be read.
    """
    with reading(engine) as connection:
        found = connection.execute(select(DRIFT_STATES).where(DRIFT_STATES.c.bundle == bundle.sha256)).one_or_none()
    if found is None:
        return None
    place = RowPlace(found.time_us, found.request_id, found.position)
    return DriftState(place, AlertState(found.active, found.in_a_row))


def write_state(engine: Engine, bundle: LoggedBundle, state: DriftState) -> None:
    """Write the state of a bundle's tests in place of an earlier one; of several writers the last one counts.

    Raises:
        LogUnavailable: the database can't be reached or written.
    """
    insert = {"postgresql": postgresql, "sqlite": sqlite}[engine.dialect.name].insert(DRIFT_STATES)
    place = {"time_us": state.place.time_us, "request_id": state.place.request_id, "position": state.place.position}
    values = {**place, "in_a_row": state.alert.in_a_row, "active": state.alert.active}
    upsert = insert.values(bundle=bundle.sha256, **values).on_conflict_do_update(
        index_elements=[DRIFT_STATES.c.bundle], set_=values
    )
    with reaching(engine), engine.begin() as connection:
        connection.execute(upsert)

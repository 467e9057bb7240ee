"""Report of a search: ranked trials, the best by validation metrics, and the limits of that estimate."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from petmood.core.errors import RunError
from petmood.tuning.space import Value

__all__ = ["SearchReport", "TrialRow", "best_of", "csv_text", "rows_of"]

STATES: Final = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
State = Literal["finished", "pruned", "failed", "running"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial; ``value`` is its final metric, or the last one before pruning, and ``reason`` why it failed."""

    number: int
    state: str
    value: float | None
    epochs: int
    seconds: float | None
    settings: Mapping[str, Value]
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class SearchReport:
    """Result of a search: its trials, the best of them, and the paths of its files.

    ``photos`` is the number of validation photos used for the selection; ``command`` trains the best trial again.
    ``best_run`` is None if another machine trained it.
    """

    name: str
    folder: Path
    metric: str
    rows: tuple[TrialRow, ...]
    best: TrialRow
    best_run: Path | None
    photos: int
    command: tuple[str, ...]

    def count(self, state: str) -> int:
        """Return the number of trials that ended in this state."""
        return Counter(row.state for row in self.rows)[state]

    @property
    def caveat(self) -> str:
        """Return a sentence on the reliability of the best metric."""
        return (
            f"It is the best of {len(self.rows)} by these {self.photos} photos, so its {self.metric} is optimistic. "
            "No trial opened the test photos."
        )


def rows_of(study: optuna.Study) -> tuple[TrialRow, ...]:
    """Return all trials: completed ones from best to worst, then the others in order of creation."""
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False)]
    falls = study.direction == optuna.study.StudyDirection.MINIMIZE

    def merit(row: TrialRow) -> tuple[bool, float, int]:
        finished = row.state == "finished" and row.value is not None
        return not finished, (row.value or 0.0) * (1 if falls else -1) if finished else 0.0, row.number

    return tuple(sorted(rows, key=merit))


def best_of(rows: Sequence[TrialRow]) -> TrialRow:
    """Return the best completed trial; the first one on a tie.

    Raises:
        RunError: no trial has completed.
    """
    if not rows or rows[0].state != "finished":
        reasons = Counter(row.reason or row.state for row in rows).most_common(1)
        raise RunError(
            f"None of {len(rows)} trials finished{f'; most: {reasons[0][0]}' if reasons else ''}. "
            "Search lower learning rates, or use another search.name."
        )
    return rows[0]


def csv_text(rows: Sequence[TrialRow]) -> str:
    """Return the trials as CSV, with one column per setting."""
    names = list(dict.fromkeys(name for row in rows for name in row.settings))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "epochs", "seconds", *names, "run", "reason"])
    for row in rows:
        measured = [
            "" if row.value is None else repr(row.value),
            row.epochs,
            "" if row.seconds is None else row.seconds,
        ]
        writer.writerow(
            [row.number, row.state, *measured, *(row.settings.get(name) for name in names), row.run, row.reason]
        )
    return text.getvalue()


def _row(trial: FrozenTrial) -> TrialRow:
    return TrialRow(
        number=trial.number,
        state=STATES.get(trial.state, "running"),
        value=trial.value,
        epochs=len(trial.intermediate_values),
        seconds=trial.user_attrs.get("seconds"),
        settings=trial.params,
        run=trial.user_attrs.get("run", ""),
        reason=trial.user_attrs.get("failed", ""),
    )

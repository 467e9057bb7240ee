"""Rows of a prediction log for tests."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, select

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.prediction import DecisionRule, Measured, Prediction, decide
from petmood.core.schemas import ModelInfo
from petmood.monitoring.metric_names import LogResult
from petmood.monitoring.prediction_log.database import connect, database_url, reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, LogRow
from petmood.monitoring.prediction_log.tables import PREDICTIONS

BUNDLE = LoggedBundle("ab" * 32, "pets", "1", ("angry", "happy"))
START_US = 1_790_000_000_000_000


def row(number: int, **changes: Any) -> LogRow:  # noqa: ANN401 - the row's own fields
    """Return a row; its id, time, probabilities and brightness follow from its number."""
    made = LogRow(
        request_id=f"request-{number}",
        position=0,
        time_us=START_US + number * 1_000_000,
        bundle=BUNDLE,
        label="happy",
        probabilities=(0.25, 0.75),
        confident=number % 2 == 0,
        in_domain=True,
        domain_warning=None,
        novelty=0.5,
        animal_score=0.9,
        latency_ms=12.5,
        statistics=(number / 1000, 0.2, 0.3, 0.4),
        embedding=np.full(3, number, "<f2").tobytes(),
        residual=number / 100,
    )
    return replace(made, **changes)


def prediction(*, measured: bool = True) -> Prediction:
    """Return a prediction of a bundle with domain scores."""
    rule = DomainRule(features="test", animal_threshold=0.5, target_false_alarms=0.02)
    return decide(
        np.array([0.0, 2.0]),
        DecisionRule(("angry", "happy"), 0.5, 0.9, rule),
        model=ModelInfo(name="pets", version="1", sha256="ab" * 32),
        scores=DomainScores(0.5, 0.9),
        measured=Measured((0.1, 0.2, 0.3, 0.4), np.array([1.0, 2.0, 3.0], np.float32), 0.25) if measured else None,
    )


def sqlite(folder: Path) -> Engine:
    """Return the engine of a log in a folder, without its schema."""
    return connect(database_url(f"sqlite:///{folder / 'log.db'}"))


def request_ids(engine: Engine) -> list[str]:
    """Return the ids in a log, sorted."""
    with reading(engine) as connection:
        return sorted(connection.execute(select(PREDICTIONS.c.request_id)).scalars())


class Counts(Counter[LogResult]):
    """Numbers of rows by result, as a service counts them."""

    def add(self, result: LogResult, number: int) -> None:
        """Count rows."""
        if number:
            self[result] += number

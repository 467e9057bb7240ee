"""Search report: ranking of trials, selection by validation metrics, and the caveat."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Literal

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from petmood.core.errors import RunError
from petmood.tuning.report import SearchReport, TrialRow, best_of, csv_text, rows_of

TRIALS = [
    (TrialState.COMPLETE, 0.4),
    (TrialState.PRUNED, 0.1),
    (TrialState.COMPLETE, 0.2),
    (TrialState.FAIL, None),
    (TrialState.COMPLETE, 0.2),
    (TrialState.RUNNING, None),
]


def study_of(
    trials: list[tuple[TrialState, float | None]], *, direction: Literal["minimize", "maximize"] = "minimize"
) -> optuna.Study:
    """Return a study with such trials."""
    study = optuna.create_study(direction=direction)
    for number, (state, value) in enumerate(trials):
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params={"rate": number / 10},
                distributions={"rate": FloatDistribution(0, 1)},
                intermediate_values={0: 1.0, 1: 0.5},
                user_attrs={
                    "seconds": 1.5,
                    "run": f"host:/runs/{number:03d}",
                    "failed": "nan" if state == TrialState.FAIL else "",
                },
            )
        )
    return study


def test_finished_trials_come_first_from_the_best_on_and_of_equals_the_first_is_the_best() -> None:
    rows = rows_of(study_of(TRIALS))
    assert [(row.number, row.state) for row in rows] == [
        (2, "finished"), (4, "finished"), (0, "finished"), (1, "pruned"), (3, "failed"), (5, "running"),
    ]  # fmt: skip
    assert best_of(rows) == TrialRow(2, "finished", 0.2, 2, 1.5, {"rate": 0.2}, "host:/runs/002", "")


def test_an_accuracy_is_best_where_it_is_highest() -> None:
    rows = rows_of(study_of(TRIALS, direction="maximize"))
    assert [row.number for row in rows] == [0, 2, 4, 1, 3, 5]


def test_a_pruned_trial_is_never_the_best_and_without_a_finished_one_there_is_none() -> None:
    rows = rows_of(study_of([(TrialState.PRUNED, 0.1), (TrialState.FAIL, None), (TrialState.FAIL, None)]))
    with pytest.raises(RunError, match=r"None of 3 trials finished; most: nan\. Search lower learning rates"):
        best_of(rows)
    with pytest.raises(RunError, match="None of 0 trials finished"):
        best_of(())


def test_the_table_holds_every_trial_and_its_numbers_to_the_last_digit() -> None:
    rows = rows_of(study_of([(TrialState.COMPLETE, 1 / 3), (TrialState.FAIL, None)]))
    read = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert [(row["trial"], row["state"], row["reason"]) for row in read] == [
        ("0", "finished", ""),
        ("1", "failed", "nan"),
    ]
    assert float(read[0]["value"]) == 1 / 3
    assert (read[1]["value"], read[1]["rate"], read[0]["epochs"]) == ("", "0.1", "2")


def test_the_caveat_says_how_many_trials_and_photos_the_choice_rests_on() -> None:
    rows = rows_of(study_of(TRIALS))
    report = SearchReport("s", Path("s"), "val/loss", rows, rows[0], Path("s/trials/002"), 40, ())
    assert report.caveat == (
        "It is the best of 6 by these 40 photos, so its val/loss is optimistic. No trial opened the test photos."
    )
    assert [report.count(state) for state in ("finished", "pruned", "failed", "running")] == [3, 1, 1, 1]
    assert replace(report, rows=()).count("finished") == 0

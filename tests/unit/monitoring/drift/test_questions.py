"""Tests of the single questions: what each compares, and the rows that are typical of a change."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from petmood.monitoring.drift.questions import MMD_ROWS, Answer, Question, answer, draw_sample, typical_rows
from petmood.monitoring.measurements import Measurements
from tests.support.drift import drift_reference, drift_window


def ask(question: Question, reference: Measurements, window: Measurements) -> Answer:
    """Answer a question with a fixed seed."""
    rng = np.random.default_rng(0)
    sample = draw_sample(reference, window, rng=rng)
    return answer(question, reference, window, sample, permutations=299, rng=rng)


def typical(question: Question, reference: Measurements, window: Measurements) -> list[int]:
    """Return the ten most typical rows of the window."""
    sample = draw_sample(reference, window, rng=np.random.default_rng(0))
    rows = typical_rows(ask(question, reference, window), reference, window, sample, most=10)
    return [int(row) for row in rows.window_rows]


def test_four_image_statistics_are_corrected_for_their_number() -> None:
    reference, window = drift_reference(), drift_window(moved={"statistics": [0, 0, 0.1, 0]})
    found = ask(Question.STATISTICS, reference, window)
    alone = ks_2samp(reference.statistics[:, 2], window.statistics[:, 2])
    assert found.p_value == pytest.approx(4 * alone.pvalue)
    assert found.statistic == found.effect == pytest.approx(alone.statistic)
    assert found.most_changed.name == "saturation"
    assert [change.name for change in found.changes] == ["brightness", "contrast", "saturation", "sharpness"]


def test_each_question_looks_at_its_own_measurements() -> None:
    reference = drift_reference()
    changes: dict[Question, dict[str, float | list[float]]] = {
        Question.STATISTICS: {"statistics": [0.3, 0, 0, 0]},
        Question.EMBEDDING: {"embedding": [1, 0, 0, 0, 0, 0, 0, 0]},
        Question.RESIDUAL: {"residual": 0.5},
    }
    for question, moved in changes.items():
        window = drift_window(moved=moved)
        found = {one for one in Question if ask(one, reference, window).p_value < 0.005}
        assert found == {question}


def test_sentences_say_what_changed_and_in_which_direction() -> None:
    darker = ask(Question.STATISTICS, drift_reference(), drift_window(moved={"statistics": [-0.2, 0, 0, 0]}))
    assert "brightness is lower" in darker.sentence(drifted=True)
    assert darker.sentence(drifted=False) == "Image statistics: no change found."
    more = ask(Question.RESIDUAL, drift_reference(), drift_window(moved={"residual": 1.0}))
    assert "have more that the training photos did not show" in more.sentence(drifted=True)
    less = ask(Question.RESIDUAL, drift_reference(), drift_window(moved={"residual": -0.4}))
    assert "have less" in less.sentence(drifted=True)
    assert "Content: the photos differ" in ask(Question.EMBEDDING, drift_reference(), drift_window()).sentence(
        drifted=True
    )


def test_the_rows_that_changed_are_the_typical_ones() -> None:
    reference = drift_reference()
    moved = np.zeros(100, np.float32)
    moved[40:60] = 3
    assert set(typical(Question.RESIDUAL, reference, drift_window(moved={"residual": moved}))) <= set(range(40, 60))
    content = drift_window(moved={"embedding": moved[:, None] * np.ones(8)})
    assert set(typical(Question.EMBEDDING, reference, content)) <= set(range(40, 60))
    sharper = drift_window(moved={"statistics": np.outer(moved, [0, 0, 0, 1])})
    assert set(typical(Question.STATISTICS, reference, sharper)) <= set(range(40, 60))


def test_the_reference_photos_that_the_window_lacks_are_typical_of_before() -> None:
    before = drift_reference()
    residual = before.residual.copy()
    residual[70:110] += 3
    before, window = replace(before, residual=residual), drift_window()
    sample = draw_sample(before, window, rng=np.random.default_rng(0))
    rows = typical_rows(ask(Question.RESIDUAL, before, window), before, window, sample, most=10)
    assert set(rows.reference_rows.tolist()) <= set(range(70, 110))


def test_many_rows_are_sampled_without_replacement_and_few_are_all_used() -> None:
    reference, window = drift_reference(MMD_ROWS + 500), drift_window(80)
    sample = draw_sample(reference, window, rng=np.random.default_rng(0))
    assert len(set(sample.reference_rows.tolist())) == MMD_ROWS
    assert sample.window_rows.tolist() == list(range(80))


def test_typical_rows_of_a_sampled_window_are_rows_of_the_window() -> None:
    moved = np.zeros(MMD_ROWS * 3, np.float32)
    moved[2500:] = 2
    rows = typical(Question.RESIDUAL, drift_reference(), drift_window(len(moved), moved={"residual": moved}))
    assert min(rows) >= 2500

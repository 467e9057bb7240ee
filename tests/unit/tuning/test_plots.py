"""Plots without overlapping labels, omitted if there is no data."""

import io
import itertools
import random
from typing import Any

import matplotlib as mpl
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from PIL import Image

from petmood.tuning import plots
from petmood.tuning.plots import CAPTIONS, draw

RANGES: dict[str, BaseDistribution] = {
    "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "recipe.label_smoothing": FloatDistribution(0, 0.3),
    "trainer.batch_size": IntDistribution(8, 64),
    "augment": CategoricalDistribution(("none", "light", "standard")),
    "recipe.class_weights": CategoricalDistribution((True, False)),
}


def study_of(count: int, *, equal: bool = False) -> optuna.Study:
    """Return a study with finished trials and a pruned one."""
    chance, study = random.Random(0), optuna.create_study()
    for number in range(count):
        params = {
            "optimizer.lr": 10 ** chance.uniform(-4, -1),
            "recipe.label_smoothing": chance.uniform(0, 0.3),
            "trainer.batch_size": chance.randint(8, 64),
            "augment": chance.choice(["none", "light", "standard"]),
            "recipe.class_weights": chance.choice([True, False]),
        }
        value = 1.0 if equal else chance.random()
        study.add_trial(create_trial(params=params, distributions=RANGES, value=value, state=TrialState.COMPLETE))
        if number == 0:
            study.add_trial(create_trial(params=params, distributions=RANGES, value=9.0, state=TrialState.PRUNED))
    return study


def figures_of(monkeypatch: pytest.MonkeyPatch, study: optuna.Study) -> list[Any]:
    """Return the figures that were drawn, kept from being closed."""
    kept: list[Any] = []

    def keep(figure: Any) -> bytes:  # noqa: ANN401 - matplotlib's own types are loose
        figure.canvas.draw()
        kept.append(figure)
        return b""

    monkeypatch.setattr(plots, "_png", keep)
    draw(study, metric="val/loss")
    return kept


def test_every_image_is_a_png_and_matplotlib_s_settings_stay_as_they_were() -> None:
    before = dict(mpl.rcParams)
    drawn = draw(study_of(8), metric="val/loss")
    assert drawn.keys() == CAPTIONS.keys()
    for png in drawn.values():
        with Image.open(io.BytesIO(png)) as image:
            assert image.format == "PNG"
            assert image.width > 600
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(("count", "equal"), [(1, False), (4, True)])
def test_trials_that_say_nothing_of_the_settings_get_the_history_alone(count: int, *, equal: bool) -> None:
    assert draw(study_of(count, equal=equal), metric="val/loss").keys() == {"history"}


def test_without_a_finished_trial_there_is_no_image() -> None:
    assert draw(study_of(0), metric="val/loss") == {}


def test_the_labels_of_one_axis_don_t_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    for figure in figures_of(monkeypatch, study_of(12)):
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                labels = [one for one in axis.get_ticklabels() if one.get_text() and is_shown(one, axes)]
                boxes = [one.get_window_extent() for one in labels if one.get_rotation() == 0]
                apart = [not one.overlaps(other) for one, other in itertools.combinations(boxes, 2)]
                assert all(apart), [label.get_text() for label in labels]
                seen += len(apart)
    assert seen > 100


def is_shown(label: Any, axes: Any) -> bool:  # noqa: ANN401 - matplotlib's own types are loose
    """Tell whether a label lies beside its axes and isn't cut off."""
    box, frame = label.get_window_extent(), axes.get_window_extent()
    beside = frame.x0 - 1 <= (box.x0 + box.x1) / 2 <= frame.x1 + 1
    below = frame.y0 - 1 <= (box.y0 + box.y1) / 2 <= frame.y1 + 1
    return bool(beside or below)


def test_names_of_settings_are_written_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    _, importances, parallel, panels = figures_of(monkeypatch, study_of(12))
    written = {text.get_text() for text in parallel.findobj(mpl.text.Text)}
    assert set(RANGES) <= written
    ranked = {text.get_text() for text in importances.findobj(mpl.text.Text)}
    assert set(RANGES) <= ranked
    assert not any("Hyperparameter" in text for text in ranked), "the page has a heading of its own"
    assert set(RANGES) <= {axes.get_xlabel() for axes in panels.axes}
    assert "none" in {text.get_text() for text in panels.findobj(mpl.text.Text)}

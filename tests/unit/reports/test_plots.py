"""Tests of the SVG charts: well-formed, within the frame, escaped, with a text alternative."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petmood.evaluation.calibration import reliability
from petmood.evaluation.selective import risk_coverage
from petmood.reports.plots import learning_chart, reliability_chart, risk_coverage_chart, ticks
from tests.support.evaluation import MakeScored


def parsed(drawing: str) -> ET.Element:
    """Parse a chart and check that all its points lie within the frame."""
    root = ET.fromstring(drawing)  # noqa: S314 - made by the code under test
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for line in root.iter("polyline"):
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    return root


def test_the_reliability_plot_has_a_dot_and_an_interval_for_every_bin(make_scored: MakeScored) -> None:
    bins = reliability(make_scored(120))
    root = parsed(reliability_chart(bins))
    assert len(list(root.iter("circle"))) == len(bins)
    assert len([line for line in root.iter("polyline") if line.attrib["class"] == "whisker"]) == len(bins)
    assert f"{bins[0].accuracy:.0%}" in root.attrib["aria-label"]


def test_the_risk_plot_marks_the_chosen_threshold(make_scored: MakeScored) -> None:
    curve = risk_coverage(make_scored(900))
    root = parsed(risk_coverage_chart(curve, target_error=0.1, chosen=(0.4, 0.08)))
    assert "coverage 40% and error 8%" in root.attrib["aria-label"]
    kinds = [line.attrib["class"] for line in root.iter("polyline")]
    assert kinds == ["guide", "line-1", "mark"]
    plain = parsed(risk_coverage_chart(curve, target_error=0.1))
    assert not list(plain.iter("circle"))


def test_long_curves_are_thinned(make_scored: MakeScored) -> None:
    root = parsed(risk_coverage_chart(risk_coverage(make_scored(3000)), target_error=0.1))
    line = next(line for line in root.iter("polyline") if line.attrib["class"] == "line-1")
    assert len(line.attrib["points"].split()) < 500


def test_no_photos_and_no_epochs_still_draw_axes(make_scored: MakeScored) -> None:
    assert "no photos" in parsed(reliability_chart(())).attrib["aria-label"]
    parsed(risk_coverage_chart(risk_coverage(make_scored(0)), target_error=0.1))
    assert "nothing recorded" in parsed(learning_chart([], ("train/loss",), y_label="loss")).attrib["aria-label"]


def test_learning_curves_leave_gaps_out_and_survive_one_epoch() -> None:
    rows: list[dict[str, float | None]] = [
        {"epoch": 0, "train/loss": 1.0, "val/loss": None},
        {"epoch": 1, "train/loss": 0.5, "val/loss": 0.7},
        {"epoch": 2, "train/loss": float("nan"), "val/loss": 0.6},
    ]
    root = parsed(learning_chart(rows, ("train/loss", "val/loss"), y_label="loss"))
    assert [len(line.attrib["points"].split()) for line in root.iter("polyline")] == [2, 2]
    assert "val/loss ends at 0.6" in root.attrib["aria-label"]
    single = parsed(learning_chart(rows[:1], ("train/loss",), y_label="loss"))
    assert len(list(single.iter("circle"))) == 1


def test_a_flat_loss_and_shares_have_axes_of_their_own() -> None:
    parsed(learning_chart([{"epoch": 0, "train/loss": 0.0}], ("train/loss",), y_label="loss"))
    drawing = learning_chart([{"epoch": 0, "val/accuracy": 0.5}], ("val/accuracy",), y_label="validation accuracy")
    assert "100%" in drawing


def test_text_is_escaped() -> None:
    drawing = learning_chart([{"epoch": 0, "<b>": 1.0}], ("<b>",), y_label="<script>")
    assert not re.search(r"<(script|b)\b", drawing)
    parsed(drawing)


@given(low=st.floats(-1e3, 1e3), span=st.floats(1e-3, 1e4))
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 7
    assert list(found) == sorted(found)
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in found)


def test_ticks_of_a_share_are_round() -> None:
    assert ticks(0.0, 1.0) == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1.0))

"""Tests of the SVG charts: well-formed, within the frame, escaped, with a text alternative."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petmood.evaluation.calibration import reliability
from petmood.evaluation.selective import risk_coverage
from petmood.reports.plots import corruption_chart, learning_chart, reliability_chart, risk_coverage_chart
from tests.support.evaluation import MakeScored
from tests.support.robust import robustness_of

POINT = re.compile(r"(-?[\d.]+) (-?[\d.]+)")


def points_of(path: ET.Element) -> list[tuple[float, float]]:
    """Return the corners of a path, where its transform moves them."""
    moved = POINT.search(path.attrib.get("transform", ""))
    across, down = (float(moved[1]), float(moved[2])) if moved else (0.0, 0.0)
    return [(float(x) + across, float(y) + down) for x, y in POINT.findall(path.attrib["d"])]


def parsed(drawing: str) -> ET.Element:
    """Parse a chart and check that all its points lie within the frame."""
    root = ET.fromstring(drawing)  # noqa: S314 - made by the code under test
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for path in root.iter("path"):
        assert points_of(path)
        for x, y in points_of(path):
            assert 0 <= x <= width
            assert 0 <= y <= height
    return root


def drawn(root: ET.Element, kind: str) -> list[ET.Element]:
    """Return the paths of one kind: "guide", "line-1", "line-2", "whisker", "mark" or "dots"."""
    groups = [group for group in root.iter("g") if group.attrib["class"] == kind]
    assert all(len(group.findall("path")) == 1 for group in groups)
    return [path for group in groups for path in group.findall("path")]


def tick_labels(root: ET.Element, *, anchor: str) -> list[str]:
    """Return the texts beside the axis: anchored at their middle below the chart, at their end on its left."""
    texts = [text for text in root.iter("text") if f"text-anchor: {anchor}" in text.attrib["style"]]
    return [text.text or "" for text in texts if "var(--soft)" in text.attrib["style"]]


def test_the_reliability_plot_has_a_dot_and_an_interval_for_every_bin(make_scored: MakeScored) -> None:
    bins = reliability(make_scored(120))
    root = parsed(reliability_chart(bins))
    assert len(drawn(root, "dots")) == len(bins)
    assert len(drawn(root, "whisker")) == len(bins)
    assert f"{bins[0].accuracy:.0%}" in root.attrib["aria-label"]
    notes = [title.text or "" for title in root.iter("title")]
    assert len(notes) == len(bins)
    assert f"{bins[0].n} photos: confidence {bins[0].confidence:.0%}" in notes[0]


def test_dots_lie_where_confidence_and_accuracy_are(make_scored: MakeScored) -> None:
    bins = reliability(make_scored(120))
    root = parsed(reliability_chart(bins))
    (left, bottom), (right, top) = points_of(drawn(root, "guide")[0])
    for point, dot, whisker in zip(bins, drawn(root, "dots"), drawn(root, "whisker"), strict=True):
        corners = points_of(dot)
        x = (min(x for x, _ in corners) + max(x for x, _ in corners)) / 2
        y = (min(y for _, y in corners) + max(y for _, y in corners)) / 2
        assert x == pytest.approx(left + point.confidence * (right - left), abs=0.05)
        assert y == pytest.approx(bottom + point.accuracy * (top - bottom), abs=0.05)
        ends = [bottom + share * (top - bottom) for share in (point.low, point.high)]
        assert [y for _, y in points_of(whisker)] == pytest.approx(ends, abs=0.05)


def test_the_risk_plot_marks_the_chosen_threshold(make_scored: MakeScored) -> None:
    curve = risk_coverage(make_scored(900))
    root = parsed(risk_coverage_chart(curve, target_error=0.1, chosen=(0.4, 0.08)))
    assert "coverage 40% and error 8%" in root.attrib["aria-label"]
    kinds = [group.attrib["class"] for group in root.iter("g")]
    assert kinds == ["guide", "line-1", "mark", "dots"]
    plain = parsed(risk_coverage_chart(curve, target_error=0.1))
    assert not drawn(plain, "dots")


def test_long_curves_are_thinned(make_scored: MakeScored) -> None:
    root = parsed(risk_coverage_chart(risk_coverage(make_scored(3000)), target_error=0.1))
    (line,) = drawn(root, "line-1")
    assert 50 < len(points_of(line)) < 500


def test_no_photos_and_no_epochs_still_draw_axes(make_scored: MakeScored) -> None:
    assert "no photos" in parsed(reliability_chart(())).attrib["aria-label"]
    parsed(risk_coverage_chart(risk_coverage(make_scored(0)), target_error=0.1))
    empty = parsed(learning_chart([], ("train/loss",), y_label="loss"))
    assert "nothing recorded" in empty.attrib["aria-label"]
    assert {"epoch", "loss"} <= {text.text for text in empty.iter("text")}


def test_learning_curves_leave_gaps_out_and_survive_one_epoch() -> None:
    rows: list[dict[str, float | None]] = [
        {"epoch": 0, "train/loss": 1.0, "val/loss": None},
        {"epoch": 1, "train/loss": 0.5, "val/loss": 0.7},
        {"epoch": 2, "train/loss": float("nan"), "val/loss": 0.6},
    ]
    root = parsed(learning_chart(rows, ("train/loss", "val/loss"), y_label="loss"))
    assert [len(points_of(line)) for kind in ("line-1", "line-2") for line in drawn(root, kind)] == [2, 2]
    assert "val/loss ends at 0.6" in root.attrib["aria-label"]
    single = parsed(learning_chart(rows[:1], ("train/loss",), y_label="loss"))
    assert len(drawn(single, "dots")) == 1


def test_a_flat_loss_and_shares_have_axes_of_their_own() -> None:
    parsed(learning_chart([{"epoch": 0, "train/loss": 0.0}], ("train/loss",), y_label="loss"))
    drawing = learning_chart([{"epoch": 0, "val/accuracy": 0.5}], ("val/accuracy",), y_label="validation accuracy")
    assert "100%" in drawing


@pytest.mark.parametrize("hostile", ["<script>", "</text></svg><script>alert(1)</script>", "a & b", "$\\frac$", "{x}"])
def test_text_is_escaped(hostile: str) -> None:
    drawing = learning_chart([{"epoch": 0, "<b>": 1.0}], ("<b>",), y_label=hostile)
    assert not re.search(r"<(script|b)\b", drawing)
    assert hostile in [text.text for text in parsed(drawing).iter("text")]


@given(low=st.floats(-1e3, 1e3), span=st.floats(1e-3, 1e4))
@settings(max_examples=30, deadline=None)
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    rows = [{"epoch": 0, "loss": low}, {"epoch": 1, "loss": low + span}]
    root = parsed(learning_chart(rows, ("loss",), y_label="loss"))
    written = tick_labels(root, anchor="end")
    found = [float(text) for text in written]
    assert 1 <= len(found) <= 7
    assert found == sorted(found)
    bottom = min(0.0, low)
    top = low + span + 0.05 * (low + span - bottom)
    assert all(bottom - 1e-4 * abs(bottom) <= value <= top + 1e-4 * abs(top) for value in found)
    assert all(re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", text) for text in written)


def test_ticks_of_a_share_are_round(make_scored: MakeScored) -> None:
    root = parsed(reliability_chart(reliability(make_scored(60))))
    wanted = ["0%", "20%", "40%", "60%", "80%", "100%"]
    assert tick_labels(root, anchor="end") == wanted
    assert tick_labels(root, anchor="middle") == wanted


@pytest.mark.parametrize(("last", "wanted"), [(1, "0 1"), (4, "0 1 2 3 4"), (40, "0 10 20 30 40")])
def test_epochs_are_whole_numbers(last: int, wanted: str) -> None:
    rows = [{"epoch": epoch, "loss": 1.0} for epoch in range(last + 1)]
    assert tick_labels(parsed(learning_chart(rows, ("loss",), y_label="loss")), anchor="middle") == wanted.split()


def test_the_corruption_plot_has_accuracies_and_intervals_by_level_beside_that_without(make_scored: MakeScored) -> None:
    found = robustness_of(make_scored(60))
    levels = found.corruptions["crop"]
    root = parsed(corruption_chart("crop", levels, clean=found.clean))
    assert tick_labels(root, anchor="middle") == ["1", "2", "3", "4", "5"]
    assert tick_labels(root, anchor="end") == ["0%", "50%", "100%"]
    ((left, before), (right, _)), line = points_of(drawn(root, "guide")[0]), points_of(drawn(root, "line-1")[0])
    dots, whiskers = drawn(root, "dots"), drawn(root, "whisker")
    assert len(dots) == len(whiskers) == len(line) == len(levels)
    full = (line[0][1] - before) / (found.clean.value - levels[0].accuracy.value)
    for one, (x, y), whisker in zip(levels, line, whiskers, strict=True):
        assert x == pytest.approx(left + (one.level - 0.6) / 4.8 * (right - left), abs=0.05)
        assert y == pytest.approx(before + (found.clean.value - one.accuracy.value) * full, abs=0.1)
        ends = [before + (found.clean.value - share) * full for share in (one.accuracy.low, one.accuracy.high)]
        assert [end for _, end in points_of(whisker)] == pytest.approx(ends, abs=0.1)
    spoken = root.attrib["aria-label"]
    assert spoken.startswith(f"Accuracy under crop; level 1: accuracy {levels[0].accuracy.value:.0%} (")
    assert spoken.endswith(f"; without corruption {found.clean.value:.0%}.")
    assert [title.text for title in root.iter("title")] == spoken.split("; ")[1:-1]

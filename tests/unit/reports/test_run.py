"""Tests of the evaluation report: self-contained HTML, escaped text and reported values."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.evaluation.corruptions import CORRUPTIONS, LEVELS
from petmood.evaluation.evaluate import Evaluation, evaluate
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.out_of_fold import OutOfFold
from petmood.evaluation.paired import paired_test
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.verdict import chance_text
from petmood.presentation.display_names import VALIDATION_NOTE, percent_text, title
from petmood.reports.run import bars, render_report
from tests.support.evaluation import MakeScored
from tests.support.robust import robustness_of

CURVES = [
    {"epoch": 0, "train/loss": 1.4, "val/loss": 1.4, "val/accuracy": 0.3},
    {"epoch": 1, "train/loss": 0.9, "val/loss": 1.1, "val/accuracy": 0.5},
]
VOID = {"meta", "img", "br", "col"}


class Page(HTMLParser):
    """Collect tags and text, and check that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def photo_of(path: str) -> np.ndarray:
    if path.endswith("7.jpg"):
        raise FileNotFoundError(path)
    return np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)


@pytest.fixture
def splits(make_scored: MakeScored) -> dict[str, Predictions]:
    return {
        "train": make_scored(40, skill=5.0, prefix="train"),
        "valid": make_scored(120, seed=1, skill=3.0, prefix="valid"),
        "test": make_scored(80, seed=2, skill=3.0, prefix="test"),
    }


@pytest.fixture
def evaluation(splits: dict[str, Predictions], make_scored: MakeScored) -> Evaluation:
    baselines = {
        "most_frequent": (make_scored(80, skill=0.0),),
        "random_split": (make_scored(200, skill=3.0),),
        "group_split": (make_scored(200, skill=0.6),),
    }
    return evaluate(splits, baselines=baselines)


def rendered(evaluation: Evaluation, splits: dict[str, Predictions], **given: Any) -> str:  # noqa: ANN401 - arguments of render_report
    facts = {"data version": "abc", "classes": ("a", "b"), "configuration": {"seed": 1}}
    settings: dict[str, Any] = {"photo_of": photo_of, "title": "a run", "facts": facts, "curves": CURVES, **given}
    return render_report(evaluation, splits, **settings)


def test_the_report_says_what_its_photos_do_not_decide(evaluation: Evaluation, splits: dict[str, Predictions]) -> None:
    page = Page(render_report(evaluation, splits, photo_of=photo_of, title="t", facts={}))
    assert "What these photos don't decide On 80 photos the accuracy is known to within" in page.text
    assert "The recall of a class is known to within these points: angry" in page.text


def test_the_page_is_well_formed_and_asks_nobody_for_anything(
    evaluation: Evaluation, splits: dict[str, Predictions], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(evaluation, splits, photo_of=photo_of, title="a run", facts={}, curves=CURVES))
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(|<script|<link|<iframe", text)
    for tag, given in page.tags:
        assert (given.get("href") or "#").startswith("#")
        assert (given.get("src") or "data:").startswith("data:"), tag
    assert path.stat().st_size < 3_000_000


def test_the_contents_bar_leads_to_every_section(evaluation: Evaluation, splits: dict[str, Predictions]) -> None:
    page = Page(rendered(evaluation, splits))
    linked = [given["href"] for tag, given in page.tags if tag == "a"]
    assert linked == [f"#{given['id']}" for tag, given in page.tags if tag == "h2"]
    assert len(linked) == 15
    names = (
        "Baselines Undecided Confusion Classes Calibration Not sure Sets No pet Robustness "
        "Errors Curves Slices Metrics Data Terms"
    )
    assert page.text.startswith(f"a run {names} a run 96.2% The model is right")


def test_every_image_and_drawing_has_words(evaluation: Evaluation, splits: dict[str, Predictions]) -> None:
    page = Page(rendered(evaluation, splits))
    images = [given for tag, given in page.tags if tag == "img"]
    assert images
    assert all(given.get("alt") for given in images)
    assert all("popover" in given for given in images), "each opens large"
    drawings = [given for tag, given in page.tags if tag == "svg"]
    assert len(drawings) == 4
    assert all(given.get("aria-label") for given in drawings)
    assert "no image" in page.text


def test_every_count_of_the_matrix_opens_onto_its_photos(
    evaluation: Evaluation, splits: dict[str, Predictions]
) -> None:
    page = Page(rendered(evaluation, splits))
    sheets = {given["id"] for tag, given in page.tags if tag == "div" and "popover" in given}
    images = {given["id"] for tag, given in page.tags if tag == "img"}
    opened = {given["popovertarget"] for tag, given in page.tags if tag == "button"}
    assert sheets | images == opened
    scored = splits["test"]
    assert len(sheets) == len(set(zip(scored.labels.tolist(), scored.predicted().tolist(), strict=True)))
    assert len({given["id"] for _, given in page.tags if "id" in given}) == sum("id" in g for _, g in page.tags)


def test_names_from_outside_are_escaped(make_scored: MakeScored) -> None:
    evil = "<script>alert('&')</script>"
    scored = make_scored(40, skill=0.5, classes=(f"a{evil}", f"b{evil}"), prefix=evil)
    scored = replace(scored, species=(evil,) * 40)
    text = render_report(
        evaluate({"test": scored}, baselines={evil: (scored,)}),
        {"test": scored},
        photo_of=photo_of,
        title=evil,
        facts={evil: evil, f"{evil} ": {evil: evil}},
        curves=[],
    )
    assert "<script" not in text
    assert Page(text).open == []
    assert evil in Page(text).text


def test_the_headline_stands_with_interval_count_and_baselines(
    evaluation: Evaluation, splits: dict[str, Predictions]
) -> None:
    text = Page(rendered(evaluation, splits)).text
    accuracy = evaluation.splits["test"]["accuracy"]
    assert text.count(evaluation.verdict) == 1
    value, low, high = (f"{100 * number:.1f}" for number in (accuracy.value, accuracy.low, accuracy.high))
    assert f" a run {value}% The model is right in {value}% of 80 test photos (95% interval {low} to {high}%)." in text
    for words in ("80 test photos", "always the most frequent class", "random split (leaks)", "points", "abc", "a, b"):
        assert words in text


def test_numbers_on_validation_photos_are_called_so_in_the_headline_the_chart_and_the_tables(
    make_scored: MakeScored,
) -> None:
    valid = {"valid": make_scored(60, skill=2.0), "train": make_scored(50)}
    found = evaluate(valid)
    text = Page(rendered(found, valid)).text
    headline = text.partition("Comparison with baselines")[0]
    assert "of 60 validation photos" in headline
    assert "may have chosen it: it may be less accurate on others." in headline
    assert "this model, validation photos" in text
    assert "measure validation photos (60) training photos (50)" in text


def test_the_band_of_permutations_is_behind_every_bar_and_its_p_value_in_words(
    evaluation: Evaluation, splits: dict[str, Predictions]
) -> None:
    assert evaluation.comparison is not None
    chance = evaluation.comparison.chance
    html = rendered(evaluation, splits)
    band = f'<i class="band" style="left:{100 * chance.low:.2f}%;width:{100 * (chance.high - chance.low):.2f}%"></i>'
    assert html.count(band) == len(bars(evaluation)) == 4
    text = Page(html).text
    assert "in 95% of 9,999 permutations of the labels" in text
    assert chance_text(chance, subject="this model") in text
    assert chance_text(chance, subject="this model").endswith("p < 0.001.")


def test_the_fits_to_permuted_labels_give_the_hog_svm_a_p_value(make_scored: MakeScored) -> None:
    test = make_scored(80, skill=3.0)
    permuted = tuple(make_scored(80, seed=seed, skill=0.0) for seed in range(19))
    permuted = tuple(replace(one, labels=test.labels) for one in permuted)
    found = evaluate({"test": test}, baselines={"hog_svm": (make_scored(80, skill=1.0),), "permuted_labels": permuted})
    text = Page(rendered(found, {"test": test})).text
    assert "the dot is the mean over 19 permutations of the training labels" in text
    assert "give it p = 0.05." in text


def test_the_model_comes_first_and_the_leak_last(evaluation: Evaluation) -> None:
    assert [bar.kind for bar in bars(evaluation)] == ["model", "control", "control", "leak"]


def test_a_paired_test_is_reported_in_words(evaluation: Evaluation, splits: dict[str, Predictions]) -> None:
    same = paired_test(splits["test"], splits["test"])
    assert "neither is shown to be better" in rendered(evaluation, splits, paired=same)
    broken = replace(splits["test"], logits=-splits["test"].logits)
    text = Page(rendered(evaluation, splits, paired=paired_test(splits["test"], broken))).text
    assert "p < 0.001" in text
    assert "difference is significant" in text


def test_a_report_of_little_data_says_what_is_missing(make_scored: MakeScored) -> None:
    few = make_scored(4, skill=9.0)
    text = Page(rendered(evaluate({"test": few}), {"test": few}, curves=())).text
    for words in ("too little data", "no validation photos", "There are none", "too small to interpret"):
        assert words in text
    assert "Learning curves" not in text


def test_choices_measured_nowhere_are_said_to_be_unmeasured(make_scored: MakeScored) -> None:
    valid = {"valid": make_scored(200, skill=6.0)}
    text = Page(rendered(evaluate(valid), valid)).text
    assert "no further photos to evaluate it on" in text
    assert "no photos besides the validation photos" in text


def test_a_single_photo_has_a_report(make_scored: MakeScored) -> None:
    one = {"test": make_scored(1)}
    text = Page(rendered(evaluate(one), one)).text
    assert "100.0% of 1 test photo (95%" in text or "0.0% of 1 test photo (95%" in text
    assert "nan" not in text


def test_a_large_test_set_stays_under_three_megabytes(make_scored: MakeScored) -> None:
    many = {"test": make_scored(2000, skill=0.3)}
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    assert len(rendered(evaluate(many), many, photo_of=lambda _: noise)) < 3_000_000


def test_a_cross_validation_is_the_headline_and_says_what_it_guarantees(make_scored: MakeScored) -> None:
    pooled, valid = make_scored(330, seed=1), make_scored(36, seed=2)
    used = OutOfFold((pooled,), folds=5, learned=294, calibrates=True, is_headline=True)
    choice = ModelChoice(1, 0, np.arange(330), separate=True, out_of_fold=True)
    found = evaluate({"valid": valid}, choice=choice, out_of_fold=used)
    page = Page(rendered(found, {"valid": valid, "crossval": pooled}))
    assert page.text.count(found.verdict) == 1
    assert "The recipe is right in " in found.verdict
    assert "was predicted by a model of this recipe that was fitted without its group." in page.text
    assert (
        f"On 36 validation photos the model itself has {percent_text(found.splits['valid']['accuracy'])}. "
        f"{VALIDATION_NOTE}" in page.text
    )
    assert "accurate as this recipe: " in page.text
    assert "fitted on out-of-fold predictions of 330 photos" in page.text
    assert "contain the truth for 78% of photos at worst, and for about 90% in practice." in page.text
    assert "no photos besides the out-of-fold predictions to evaluate prediction sets on" in page.text
    assert "photos in cross-validation (330) validation photos (36)" in page.text
    names = [bar.name for bar in bars(found)]
    assert names == ["this recipe, 330 photos in cross-validation", "this model, 36 validation photos"]


def test_the_robustness_has_a_sentence_a_chart_for_each_corruption_and_two_tables(
    evaluation: Evaluation, splits: dict[str, Predictions]
) -> None:
    found = robustness_of(splits["test"])
    page = Page(rendered(replace(evaluation, robustness=found), splits))
    assert page.open == []
    assert found.sentence in page.text
    assert "on 80 of 570 test photos." in found.sentence
    assert "drawn at random, spread over all classes and groups" in page.text
    charts = [given["aria-label"] or "" for tag, given in page.tags if tag == "svg"]
    under = [label for label in charts if label.startswith("Accuracy under ")]
    assert [label.split()[2].rstrip(";") for label in under] == [title(name) for name in CORRUPTIONS]
    assert len(charts) == 4 + len(CORRUPTIONS)
    for name, levels in found.corruptions.items():
        cells = " ".join(
            f"{one.accuracy.value:.1%} {100 * one.accuracy.low:.0f} to {100 * one.accuracy.high:.0f}" for one in levels
        )
        assert f"{title(name)} {cells}" in page.text
        drops = " ".join(
            f"{100 * one.drop.value:z.1f} {100 * one.drop.low:z.0f} to {100 * one.drop.high:z.0f}" for one in levels
        )
        assert f"{title(name)} {drops}" in page.text
    clean = found.clean
    assert f"none {clean.value:.1%} {100 * clean.low:.0f} to {100 * clean.high:.0f} blur" in page.text
    assert f"mean {found.mean[0].accuracy.value:.1%}" in page.text
    assert f"mean {100 * found.mean[0].drop.value:z.1f}" in page.text
    assert page.text.count(f"corruption {' '.join(map(str, LEVELS))}") == 2
    assert "Not measured: evaluation.robustness" not in page.text


def test_a_report_without_robustness_says_how_to_get_it(evaluation: Evaluation, splits: dict[str, Predictions]) -> None:
    page = Page(rendered(evaluation, splits))
    assert "Robustness Not measured: evaluation.robustness is 0" in page.text
    assert "For a run of an earlier version, petmood evaluate RUN measures it." in page.text


def test_photos_that_are_all_measured_are_not_called_drawn(
    evaluation: Evaluation, splits: dict[str, Predictions]
) -> None:
    found = robustness_of(splits["test"], available=80)
    page = Page(rendered(replace(evaluation, robustness=found), splits))
    assert "on 80 test photos." in found.sentence
    assert "drawn at random" not in page.text

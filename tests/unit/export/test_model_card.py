"""Tests of the model card."""

from typing import Any

import pytest

from petmood.core.bundle import Manifest
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.variants import VariantInfo
from petmood.export.model_card import card_text
from petmood.presentation.display_names import VALIDATION_NOTE
from tests.support.networks import IMAGE, METRICS

PHOTOS = {"train": 40, "test": 120}


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - any field of the manifest
    """Return a manifest before it is sealed."""
    fields: dict[str, Any] = {
        "name": "demo",
        "version": "abc",
        "classes": DEFAULT_CLASSES,
        "image": IMAGE,
        "temperature": 1.5,
        "confidence_threshold": 0.731,
        "target_error": 0.1,
        "conformal_quantile": 0.8,
        "target_coverage": 0.9,
        "metrics": METRICS,
        "backbone": "tiny",
        "data_hash": "d" * 64,
        "code_version": "1.2.3",
        "created": "2026-01-01T00:00:00Z",
        "files": {},
    }
    return Manifest.model_validate({**fields, **changes})


def measure(value: float | None, low: float | None, high: float | None, n: int = 50) -> dict[str, Any]:
    """Return a number as an evaluation gives it."""
    return {"value": value, "low": low, "high": high, "n": n}


def body_of(card: str) -> str:
    """Return a card without its front matter."""
    return card.partition("---\n\n")[2]


def test_the_card_names_the_model_its_classes_and_how_it_was_made() -> None:
    text = card_text(manifest(), photos=PHOTOS, species=("cat", "dog"))
    assert body_of(text).startswith("# demo abc\n")
    assert "angry, happy, other, sad" in text
    assert "Network: tiny, images of 32 px (center_crop)." in text
    assert "40 train, 120 test" in text
    assert "Species: cat, dog." in text
    assert "data version `dddddddddddd`" in text
    assert "Code: `1.2.3`, 2026-01-01T00:00:00Z." in text
    assert text.endswith("\n")


def test_the_card_has_one_line_on_corruptions_and_none_without_the_record() -> None:
    sentence = "At level 3 of 5 the accuracy falls most for noise."
    without = card_text(manifest(), photos=PHOTOS)
    text = card_text(manifest(metrics={**METRICS, "robustness": {"sentence": sentence}}), photos=PHOTOS)
    assert text.replace(f"{sentence}\n\n", "") == without
    assert text.count(sentence) == 1


def test_the_card_says_what_a_smaller_network_costs_in_accuracy_and_nothing_without_one() -> None:
    small = VariantInfo(
        name="int8",
        tolerance=0.1,
        split="test",
        photos=120,
        accuracy=0.766,
        difference=-0.002,
        low=-0.016,
        high=0.012,
        calibrated_on=40,
    )
    text = card_text(manifest(variants=(small,)), photos=PHOTOS)
    line = next(line for line in text.splitlines() if "model.int8.onnx" in line)
    assert line == (
        "The smaller network model.int8.onnx has an accuracy of 76.6% on 120 test photos: -0.2 points beside "
        "model.onnx on the same photos (95% interval -1.6 to +1.2). The other figures here are those of model.onnx."
    )
    assert text.replace(f"{line}\n\n", "") == card_text(manifest(), photos=PHOTOS)


def test_the_card_says_how_the_model_was_chosen_and_how_sure_the_error_is() -> None:
    chosen = {"sentence": "8 photos chose the best of 6 models tried.", "confidence": 0.9, "separate": True}
    record = {"selection": chosen}
    text = card_text(manifest(metrics={**METRICS, **record}), photos=PHOTOS)
    assert "8 photos chose the best of 6 models tried." in text
    assert "an error of at most 10% among confident predictions, which holds with 90% confidence." in text
    assert "confidence." not in card_text(manifest(), photos=PHOTOS)
    weaker = card_text(manifest(metrics={**METRICS, "selection": {**chosen, "separate": False}}), photos=PHOTOS)
    assert "which holds with" not in weaker, "the same photos chose the model and the threshold"


def test_every_number_comes_with_its_interval_and_the_number_of_photos() -> None:
    text = card_text(manifest(), photos=PHOTOS)
    assert "On 120 test photos of unseen animals, with 95% intervals" in text
    assert "| accuracy | 0.912 | 0.850 to 0.950 |" in text
    assert "Species: not recorded." in text
    chosen = card_text(manifest(metrics={"splits": {"valid": METRICS["splits"]["test"]}}), photos=PHOTOS)
    assert (
        "On 120 validation photos, which calibrated the model and may have chosen it: it may be less accurate on others"
        in chosen
    )
    assert "unseen" not in chosen


def test_a_cross_validation_is_the_headline_and_validation_photos_are_named_beside_it() -> None:
    splits = {
        "crossval": {"accuracy": measure(0.503, 0.447, 0.559, n=330)},
        "valid": {"accuracy": measure(0.528, 0.355, 0.696, n=36)},
    }
    record = {
        "selection": {
            "separate": True,
            "confidence": 0.9,
            "out_of_fold": True,
            "sentence": "They come from 330 photos.",
        },
        "out_of_fold": {"sentences": "For the delivered one it holds in simulation and is not proven."},
    }
    text = card_text(manifest(metrics={"splits": splits, **record}), photos=PHOTOS)
    assert (
        "On 330 photos in cross-validation, by models of its recipe that were fitted without the photo's group, "
        "with 95% intervals over groups of photos:"
    ) in text
    assert "| accuracy | 0.503 | 0.447 to 0.559 |" in text
    assert "On 36 validation photos the model itself has an accuracy of 52.8% (95% interval 35.5% to 69.6%)." in text
    assert f"69.6%). {VALIDATION_NOTE}" in text
    assert "which is simulated to hold with 90% confidence." in text
    assert "They come from 330 photos." in text
    assert "For the delivered one it holds in simulation and is not proven." in text
    never = card_text(manifest(metrics={"splits": splits, **record}, confidence_threshold=1.01), photos=PHOTOS)
    assert "No threshold guarantees an error of at most 10% on out-of-fold predictions" in never
    alone = card_text(manifest(metrics={"splits": {"crossval": splits["crossval"]}}), photos=PHOTOS)
    assert "validation photos" not in alone


def test_measures_stand_in_a_fixed_order_and_others_are_left_out() -> None:
    found = {"ece": measure(0.04, 0.02, 0.06), "odd": measure(1, 1, 1), "macro_f1": measure(0.8, 0.7, 0.9)}
    text = card_text(manifest(metrics={"splits": {"test": found}}), photos=PHOTOS)
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows == ["| macro F1 | 0.800 | 0.700 to 0.900 |", "| calibration error | 0.040 | 0.020 to 0.060 |"]
    assert "On 50 test photos" in text


def test_without_test_photos_the_validation_s_numbers_stand_there_and_say_so() -> None:
    text = card_text(manifest(metrics={"splits": {"valid": {"accuracy": measure(0.5, 0.4, 0.6)}}}), photos=PHOTOS)
    assert "On 50 validation photos, which calibrated the model" in text


@pytest.mark.parametrize("metrics", [{}, {"splits": {}}, {"splits": {"test": {"odd": measure(1, 1, 1)}}}])
def test_without_numbers_it_says_that_nothing_was_measured(metrics: dict[str, Any]) -> None:
    text = card_text(manifest(metrics=metrics), photos=PHOTOS)
    assert "not evaluated" in text
    assert "| measure |" not in text


def test_an_unknown_number_is_called_unknown() -> None:
    text = card_text(manifest(metrics={"splits": {"test": {"accuracy": measure(None, None, 0.6)}}}), photos=PHOTOS)
    assert "| accuracy | unknown | unknown to 0.600 |" in text


def test_what_confident_means_is_said_and_that_it_may_never_be() -> None:
    confident = card_text(manifest(), photos=PHOTOS)
    assert "confident from a probability of 0.731, chosen for an error of at most 10%" in confident
    assert "contain the true class for about 90% of photos" in confident
    never = card_text(manifest(confidence_threshold=1.01, target_coverage=None), photos=PHOTOS)
    promised = (
        "No threshold guarantees an error of at most 10% on the validation photos, so no prediction is confident."
    )
    assert promised in never
    assert promised.replace("an error of at most 10%", "an error rate") in card_text(
        manifest(confidence_threshold=1.01, target_error=None), photos=PHOTOS
    )
    assert body_of(never).splitlines()[2].startswith("**This model is never confident: ")
    assert "Prediction sets are not calibrated" in never


def test_what_it_is_not_for_and_where_it_fails_is_said() -> None:
    text = card_text(manifest(), photos=PHOTOS)
    assert "ask a vet" in text
    assert "## Limitations" in text


def test_the_card_of_a_model_of_drawings_begins_with_a_warning() -> None:
    warned = card_text(manifest(data_kind="drawings"), photos=PHOTOS)
    assert body_of(warned).splitlines()[:4] == [
        "# demo abc",
        "",
        "**Practice model: it learned from drawings, so its result says nothing about a real pet.**",
        "",
    ]
    assert "Practice" not in card_text(manifest(data_kind="photographs"), photos=PHOTOS)


RULE = {"features": "efficientnet_lite0", "animal_threshold": 0.4, "target_false_alarms": 0.02}
REFUSED = {"scenes": {"refused": 40, "images": 50}, "drawings": {"refused": 9, "images": 10}}
ALARMS = {"value": 0.0213, "low": 0.004, "high": 0.0609, "n": 94}
GETS_NO_CLASS = "A photo without a pet, or unlike the training photos, gets no class"
OF_60 = f"{GETS_NO_CLASS}: 49 of 60 images without a pet were refused."


def domain_line(domain: dict[str, Any] | None, metrics: dict[str, Any]) -> str:
    """Return the paragraph between the confidence and the training."""
    lines = card_text(manifest(domain=domain, metrics=metrics), photos=PHOTOS).splitlines()
    assert (lines[lines.index("## Training") - 3], lines[lines.index("## Training") - 1]) == ("", "")
    return lines[lines.index("## Training") - 2]


@pytest.mark.parametrize("metrics", [{}, {"domain": None}, {"domain": {"refused": REFUSED, "false_alarms": ALARMS}}])
def test_without_a_domain_rule_every_photo_gets_a_class_and_the_card_says_so(metrics: dict[str, Any]) -> None:
    assert domain_line(None, metrics) == "It gives a class to every photo, to one without a pet as well."


def test_the_card_says_which_scene_warnings_the_model_gives_and_what_was_found() -> None:
    measured = {"found": {"side_by_side": 0.9, "inset": 0.5}, "false_alarms": 0.018, "auroc": 0.97}
    scenes = {"two_pets": {**measured, "kept": True}, "face_unclear": {**measured, "kept": False}}
    metrics = {"domain": {"refused": REFUSED, "false_alarms": None, "scenes": scenes}}
    said = (
        f"{OF_60} A photo gets the warning two_pets if it may show two pets: in cross-validation 70.0% of composites "
        "(50.0% of the hardest kind) were found, and 1.8% of the training and validation photos were warned of."
    )
    assert domain_line({**RULE, "scene_warnings": ["two_pets"]}, metrics) == said
    assert domain_line(RULE, metrics) == OF_60


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        (
            {"domain": {"refused": REFUSED, "false_alarms": ALARMS}},
            f"{OF_60} Of 94 held-out photos, 2.1% were refused (95% interval 0.4% to 6.1%).",
        ),
        (
            {"domain": {"refused": REFUSED, "false_alarms": {**ALARMS, "low": None, "high": None}}},
            f"{OF_60} Of 94 held-out photos, 2.1% were refused (95% interval unknown to unknown).",
        ),
        ({"domain": {"refused": REFUSED, "false_alarms": None}}, OF_60),
        ({"domain": None}, f"{GETS_NO_CLASS}."),
        ({}, f"{GETS_NO_CLASS}."),
    ],
)
def test_with_a_domain_rule_the_card_says_which_photos_get_no_class_and_how_many_did(
    metrics: dict[str, Any], line: str
) -> None:
    assert domain_line(RULE, metrics) == line

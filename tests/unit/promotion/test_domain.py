"""Tests of the promotion check of photos without a pet."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.domain import DomainRule, DomainScores
from petmood.data.index import Split, read_index
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.non_pets import NonPet, NonPetKind
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion import domain as domain_module
from petmood.promotion.domain import DomainAnswers, check_domain, domain_answers
from petmood.promotion.limits import PromotionLimits
from tests.support.networks import tiny_bundle
from tests.support.small_sets import write_small_set

LIMITS = PromotionLimits()
RULE = DomainRule(features="any", animal_threshold=0.5, target_false_alarms=0.02)
LIMIT = "at least 95% of images without a pet, not significantly more than 5% of held-out photos"


def answers(*, refused: int = 200, images: int = 200, alarms: int = 1, photos: int = 100) -> DomainAnswers:
    held_out = estimate_proportion([1] * alarms + [0] * (photos - alarms), np.arange(photos))
    return DomainAnswers(held_out, refused, images)


@pytest.mark.parametrize(("refused", "passed"), [(200, True), (190, True), (189, False), (0, False)])
def test_a_candidate_must_refuse_images_without_a_pet(refused: int, passed: bool) -> None:
    check = check_domain(answers(refused=refused), answers(), LIMITS)
    assert (check.name, check.passed, check.limit) == ("domain", passed, LIMIT)


@pytest.mark.parametrize(("alarms", "passed"), [(0, True), (5, True), (10, True), (11, False), (50, False)])
def test_only_significantly_more_false_alarms_than_allowed_are_refused(alarms: int, passed: bool) -> None:
    """The exact interval of 10 of 100 begins at 4.9%, that of 11 of 100 at 5.6%."""
    assert check_domain(answers(alarms=alarms), None, LIMITS).passed is passed


def test_the_sentence_has_counts_and_the_numbers_have_both_bundles() -> None:
    check = check_domain(answers(refused=198), answers(refused=150, alarms=4), LIMITS)
    assert check.sentence == (
        "198 of 200 images without a pet are refused, and of 100 held-out photos 1.0% (0.0 to 5.4)."
    )
    assert check.measured == "99.0%; 1.0% (0.0 to 5.4)"
    assert check.numbers == {
        "non_pets_refused": 0.99,
        "false_alarms": 0.01,
        "champion_non_pets_refused": 0.75,
        "champion_false_alarms": 0.04,
    }


def test_a_candidate_without_a_rule_passes_unless_the_champion_has_one() -> None:
    neither = check_domain(None, None, LIMITS)
    assert (neither.passed, neither.measured) == (True, "no domain rule")
    assert neither.sentence == "The candidate gives a class to every photo, to one without a pet as well."
    lost = check_domain(None, answers(), LIMITS)
    assert not lost.passed
    assert lost.sentence == (
        "The candidate gives a class to every photo, to one without a pet as well; the champion refuses such photos."
    )


def test_the_limits_can_be_changed() -> None:
    strict = PromotionLimits(min_non_pets_refused=1.0, max_false_alarms=0.0)
    assert not check_domain(answers(refused=199, alarms=0), None, strict).passed
    assert check_domain(answers(alarms=0), None, strict).passed
    assert not check_domain(answers(alarms=5), None, strict).passed


class ByBrightness(BundlePredictor):
    """A predictor whose novelty is the mean brightness, from 0 to 2: white is out of the domain."""

    def domain_scores(self, pixels: NDArray[np.uint8]) -> list[DomainScores | None]:
        return [DomainScores(float(one.mean()) / 127.5, 0.9) for one in pixels]


def test_held_out_photos_and_images_without_a_pet_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = load_bundle(tiny_bundle(tmp_path / "bundle").folder)
    data = write_small_set(tmp_path / "set")
    rows = [row for row in read_index(data) if row.split == Split.TEST]
    assert domain_answers(opened, data=data, rows=rows) is None, "a bundle without a rule"

    asked: list[bool] = []

    def given(*, drawings: bool) -> Sequence[NonPet]:
        asked.append(drawings)
        return [
            NonPet(NonPetKind.FLAT_COLORS, f"{shade}", np.full((40, 40, 3), shade, np.uint8))
            for shade in [255] * 20 + [0]
        ]

    monkeypatch.setattr(domain_module, "non_pets", given)
    manifest = opened.bundle.manifest.model_copy(update={"domain": RULE})
    with_rule = ByBrightness(replace(opened.bundle, manifest=manifest), opened.session)
    found = domain_answers(with_rule, data=data, rows=rows)
    assert found is not None
    assert (found.refused, found.images) == (20, 21)
    assert isinstance(found.held_out, Estimate)
    assert found.held_out.n == len(rows)
    assert asked == [False], "no drawn animals: a person's dataset may hold drawings"

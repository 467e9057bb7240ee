"""Tests of the count of comparisons that a test set has decided."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.promotion.compare import BundleInfo
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check, HeldOut, PromotionReport
from petmood.promotion.reuse import count_earlier_uses, record_use
from petmood.registry.base import Version
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.model_pairs import promoted_by_chance

DATA, OTHER, VERSION = "d" * 64, "e" * 64, "f" * 64


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    opened = open_registry(str(tmp_path / "registry"))
    for word in ("one", "two", "three"):
        opened.push(word_bundle(tmp_path, word), by="me")
    return opened


def report(candidate: Version, champion: Version | None, *, check: str = "superiority") -> PromotionReport:
    infos = [BundleInfo("pets", "1", one.sha256, DATA, 1) if one else None for one in (candidate, champion)]
    assert infos[0] is not None
    held_out = HeldOut(VERSION, "test", {"sad": 30}, 30, 0, test_set=DATA)
    return PromotionReport(infos[0], infos[1], held_out, {}, (Check(check, False, "", "", ""),))


def test_refused_and_passed_comparisons_count_once_each(registry: Registry) -> None:
    one, two, three = registry.versions()
    for candidate, champion in ((one, None), (two, one), (two, one)):
        record_use(registry, candidate, report(candidate, champion), digest="0" * 64)
    assert count_earlier_uses(registry, DATA, candidate=three, champion=one) == 2
    assert count_earlier_uses(registry, DATA, candidate=two, champion=three) == 2
    assert count_earlier_uses(registry, DATA, candidate=two, champion=one) == 1, "the same comparison again"
    assert count_earlier_uses(registry, OTHER, candidate=three, champion=one) == 0


@pytest.mark.parametrize("against", [True, False])
def test_a_use_is_a_file_named_by_the_test_set_and_the_champion(registry: Registry, against: bool) -> None:
    one, two, _ = registry.versions()
    champion = one if against else None
    made = replace(report(two, champion), created="2026-01-02T03:04:05Z")
    record_use(registry, two, made, digest="0" * 64)
    name = f"{'d' * 16}-{one.sha256[:16] if against else 'none'}.json"
    assert list(registry.attachments(two, "uses")) == [name]
    assert json.loads(registry.attachment(two, f"uses/{name}")) == {
        "test_set": "d" * 64,
        "data_hash": "f" * 64,
        "champion": one.sha256 if against else "",
        "report": "0" * 64,
        "created": "2026-01-02T03:04:05Z",
    }


def test_a_first_comparison_without_a_champion_counts_once_for_its_own_version(registry: Registry) -> None:
    one, two, _ = registry.versions()
    record_use(registry, one, report(one, None), digest="0" * 64)
    assert count_earlier_uses(registry, DATA, candidate=one, champion=None) == 0
    assert count_earlier_uses(registry, DATA, candidate=one, champion=two) == 1
    assert count_earlier_uses(registry, DATA, candidate=two, champion=None) == 1


def test_a_report_without_held_out_photos_used_no_test_set(registry: Registry) -> None:
    one, two, _ = registry.versions()
    record_use(registry, two, replace(report(two, one), held_out=None), digest="0" * 64)
    assert list(registry.attachments(two, "uses")) == []


def test_a_report_that_predicted_no_photo_used_no_test_set(registry: Registry) -> None:
    one, two, three = registry.versions()
    record_use(registry, two, report(two, one, check="held_out"), digest="0" * 64)
    assert count_earlier_uses(registry, DATA, candidate=three, champion=one) == 0


def test_the_count_is_in_the_report(registry: Registry) -> None:
    one, two, _ = registry.versions()
    made = report(two, one)
    assert made.reuse_text() == "This test set has decided 0 promotions before."
    assert made.to_json()["earlier_uses"] == 0


@pytest.mark.parametrize(("earlier", "confidence"), [(0, 0.95), (4, 0.95), (5, 1 - 0.05 / 6), (19, 1 - 0.05 / 20)])
def test_the_level_is_divided_by_the_number_of_comparisons_from_the_sixth_on(earlier: int, confidence: float) -> None:
    assert PromotionLimits().confidence(earlier_uses=earlier) == pytest.approx(confidence)
    assert PromotionLimits(max_uncorrected_uses=0).confidence(earlier_uses=0) == 0.95
    assert PromotionLimits(max_uncorrected_uses=19).confidence(earlier_uses=18) == 0.95


def test_the_correction_makes_false_promotions_rarer() -> None:
    free, corrected = PromotionLimits(max_uncorrected_uses=1000), PromotionLimits()
    found = [sum(promoted_by_chance(seed, tries=20, limits=one) for seed in range(15)) for one in (free, corrected)]
    assert found[1] <= found[0]
    assert found[1] <= 4, "5 of 15 are four standard deviations above 6%"

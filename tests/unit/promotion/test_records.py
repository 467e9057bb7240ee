"""Tests of the records of a promotion decision."""

from dataclasses import replace

import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.promotion.compare import BundleInfo
from petmood.promotion.records import Check, HeldOut, PromotionReport, SliceComparison
from tests.support.promotion import REPORT


def test_one_failed_check_is_a_refusal_and_a_report_without_checks_is_no_proof() -> None:
    assert (REPORT.passed, REPORT.verdict) == (False, "refused")
    assert REPORT.failed == ("per_class_recall: Found more seldom: sad. Allowed: none below.",)
    fine = replace(REPORT, checks=REPORT.checks[:1])
    assert (fine.passed, fine.verdict, fine.failed) == (True, "passed", ())
    assert not replace(REPORT, checks=()).passed


def test_numbers_that_are_not_known_become_null() -> None:
    check = Check("superiority", True, "", "", "", {"p_value": float("nan")})
    assert check.to_json()["numbers"] == {"p_value": None}


def test_the_whole_report_as_json() -> None:
    report = replace(REPORT, earlier_uses=6, confidence=0.99)
    assert report.to_json() == {
        "schema_version": 1,
        "verdict": "refused",
        "failed": ["per_class_recall: Found more seldom: sad. Allowed: none below."],
        "candidate": {
            "name": "new",
            "version": "abc123",
            "sha256": "a" * 64,
            "data_hash": "d" * 64,
            "model_bytes": 2_000_000,
        },
        "champion": {
            "name": "old",
            "version": "def456",
            "sha256": "b" * 64,
            "data_hash": "e" * 64,
            "model_bytes": 1_000_000,
        },
        "held_out": {
            "data_hash": "f" * 64,
            "split": "test",
            "classes": {"happy": 90, "sad": 30},
            "groups": 110,
            "excluded": 7,
            "excluded_by_content": 0,
            "by_bytes_only": (),
            "test_set": "e" * 64,
            "photos": 120,
            "excluded_by_bytes": 7,
        },
        "limits": {"criterion": "superior", "max_class_drop": 0.15},
        "checks": [
            {
                "name": "superiority",
                "passed": True,
                "measured": "+20.0 points",
                "limit": "interval above 0",
                "sentence": "It is better.",
                "numbers": {"p_value": 0.001},
                "parts": [
                    {
                        "name": "all photos",
                        "candidate": 0.9,
                        "champion": 0.7,
                        "difference": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 120},
                    }
                ],
            },
            {
                "name": "per_class_recall",
                "passed": False,
                "measured": "sad -30.0",
                "limit": "none below",
                "sentence": "Found more seldom: sad.",
                "numbers": {},
                "parts": [
                    {
                        "name": "sad",
                        "candidate": 0.5,
                        "champion": 0.8,
                        "difference": {"value": -0.3, "low": -0.62, "high": -0.1, "n": 30},
                    }
                ],
            },
        ],
        "notes": ["Can't tell what old learned from."],
        "created": "2026-01-01T00:00:00Z",
        "earlier_uses": 6,
        "confidence": 0.99,
    }


def test_a_report_without_champion_photos_and_checks_as_json() -> None:
    bare = PromotionReport(BundleInfo("new", "", "", "", 0), None, None, {}, ())
    assert bare.to_json() == {
        "schema_version": 1,
        "verdict": "refused",
        "failed": [],
        "candidate": {"name": "new", "version": "", "sha256": "", "data_hash": "", "model_bytes": 0},
        "champion": None,
        "held_out": None,
        "limits": {},
        "checks": [],
        "notes": [],
        "created": "",
        "earlier_uses": 0,
        "confidence": 0.95,
    }
    assert bare.reuse_text() == ""


def test_a_part_whose_interval_is_not_known_has_null_in_its_place() -> None:
    part = SliceComparison("sad", 0.5, 0.25, Estimate(0.25, float("nan"), float("inf"), 4))
    assert part.to_json() == {
        "name": "sad",
        "candidate": 0.5,
        "champion": 0.25,
        "difference": {"value": 0.25, "low": None, "high": None, "n": 4},
    }


def test_a_failed_check_is_one_line() -> None:
    check = Check("integrity", False, "corrupted", "a bundle", "First line.\n  second   line.")
    assert replace(REPORT, checks=(check,)).failed == ("integrity: First line. second line. Allowed: a bundle.",)


@pytest.mark.parametrize(
    ("earlier", "confidence", "text"),
    [
        (0, 0.95, "This test set has decided 0 promotions before."),
        (1, 0.95, "This test set has decided 1 promotion before."),
        (2, 0.95, "This test set has decided 2 promotions before."),
        (
            9,
            0.995,
            (
                "This test set has decided 9 promotions before. The interval of superiority therefore has 99.5% "
                "confidence."
            ),
        ),
    ],
)
def test_how_often_a_test_set_was_used_is_said(earlier: int, confidence: float, text: str) -> None:
    assert replace(REPORT, earlier_uses=earlier, confidence=confidence).reuse_text() == text


def test_photos_that_were_left_out_and_bundles_without_features_are_said() -> None:
    none = HeldOut("f" * 64, "test", {"sad": 3}, 3, 0)
    assert (none.excluded_text(), none.matching_text(), none.test_set) == ("", "", "")
    some = replace(none, excluded=7, excluded_by_content=2, by_bytes_only=("new 1", "old 2"))
    assert some.excluded_text() == "7 left out (5 by bytes, 2 by content)"
    assert some.matching_text() == (
        "The photos that new 1 and old 2 saw were matched by bytes only: copies that were encoded again are not "
        "recognized. To compare by content, export the run again for a duplicates.npz of this version."
    )

"""Tests of the records of a promotion decision."""

from dataclasses import replace

from petmood.promotion.records import Check
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

"""Tests of the page of variants: table, verdicts and facts."""

from dataclasses import replace

import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.variants import Speed, VariantResult
from petmood.reports.optimize import points_text, render_optimize_page, verdict_sentence
from tests.unit.evaluation.test_variants import result
from tests.unit.reports.test_run import Page

FP32 = VariantResult("fp32", "float", Estimate(0.7627, 0.7247, 0.7979, n=569), Speed(17.71, 28.68), 14_147_157)
VALUES = {
    "run": "dog & <co>",
    "backbone": "efficientnet_lite0",
    "processor": "AMD EPYC",
    "photos_note": "569 test photos. They neither trained, chose nor calibrated the model.",
    "groups": 560,
    "rounds": 100,
    "data_hash": "d" * 64,
    "code_version": "0.1.0",
    "created": "2026-11-30",
    "calibrated_on": 200,
    "packages": {"onnxruntime": "1.32.0"},
}


def test_the_page_has_the_table_and_says_what_is_refused_and_why() -> None:
    worse = replace(result(-0.05, -0.08, -0.02), note="slower than fp32")
    page = Page(render_optimize_page([FP32, worse], VALUES))
    assert page.open == []
    assert "Variants of dog & <co>" in page.text
    assert "fp32 float 76.3% 72 to 80 - 17.7 ms 28.7 ms 14.1 MB" in page.text
    assert "-5.0 (-8.0 to -2.0) 2.0 ms 3.0 ms" in page.text
    told = "Refused: its accuracy changes by -5.0 points (-8.0 to -2.0) on 500 photos, allowed are -1."
    assert f"{told} Slower than fp32." in page.text


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (FP32, ""),
        (result(0.0, -0.005, 0.005), "Accepted: it loses at most one point, by its interval."),
        (result(0.0, -0.05, 0.05), "Accepted, but 500 photos are too few to show"),
        (result(-0.05, -0.08, -0.02), "Refused: its accuracy changes by"),
    ],
)
def test_each_variant_has_its_verdict_in_one_sentence(row: VariantResult, told: str) -> None:
    assert verdict_sentence(row).startswith(told)


def test_a_difference_without_an_interval_is_the_value_alone() -> None:
    assert points_text(Estimate(0.01, float("nan"), float("nan"), n=9)) == "+1.0"

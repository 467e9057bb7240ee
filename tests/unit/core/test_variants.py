"""Tests of variants in the manifest, and of how their outputs are compared."""

import numpy as np
import pytest
from pydantic import ValidationError

from petmood.core.errors import ConfigError
from petmood.core.variants import check_choice, largest_deviation, relative_deviation
from tests.support.bundles import demo_manifest
from tests.support.variants import variant_info

RANDOM = np.random.default_rng(0).normal(3, 2, (400, 5))


def test_the_files_of_a_variant_are_named_after_it() -> None:
    assert variant_info().files == ("model.int8.onnx", "golden.int8.npz")


@pytest.mark.parametrize("changes", [{"tolerance": 0}, {"name": "int4"}, {"low": float("nan")}, {"more": 1}])
def test_a_manifest_with_another_variant_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        variant_info(**changes)


def test_a_manifest_without_variants_has_no_such_key_so_that_older_digests_hold() -> None:
    assert "variants" not in demo_manifest().model_dump(mode="json")
    found = demo_manifest(variants=[variant_info()])
    assert found.model_dump(mode="json")["variants"][0]["name"] == "int8"
    assert {"model.int8.onnx", "golden.int8.npz"} <= set(found.required_files)


@pytest.mark.parametrize("choice", ["auto", "fp32", "int8"])
def test_known_choices_pass(choice: str) -> None:
    check_choice(choice)


def test_an_unknown_choice_is_one_line_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^Expected the variant auto, fp32 or int8, got 'fp16'\.$"):
        check_choice("fp16")


def test_the_deviation_is_0_for_equal_outputs_and_1_for_their_mean() -> None:
    assert relative_deviation(RANDOM, RANDOM) == 0
    assert relative_deviation(RANDOM, np.broadcast_to(RANDOM.mean(axis=0), RANDOM.shape)) == pytest.approx(1)
    assert relative_deviation(100 * RANDOM, 100 * (RANDOM + 0.2)) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    "got",
    [RANDOM[:, :4], np.where(RANDOM > 5, np.nan, RANDOM), np.full_like(RANDOM, np.inf)],
    ids=["shape", "nan", "inf"],
)
def test_other_shapes_and_values_that_are_not_finite_are_infinitely_far(got: np.ndarray) -> None:
    assert relative_deviation(RANDOM, got) == float("inf")


def test_constant_outputs_must_be_equal() -> None:
    constant = np.ones((3, 2))
    assert relative_deviation(constant, constant) == 0
    assert relative_deviation(constant, constant + 1e-3) == float("inf")


def test_the_output_that_deviates_most_is_named() -> None:
    assert largest_deviation({"a": RANDOM, "b": RANDOM}, {"a": RANDOM, "b": RANDOM * 0})[0] == "b"

"""Tests of messages for settings that pydantic rejects."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from petmood.configs.schema import DataConfig, RunConfig, SearchConfig
from petmood.core.schemas import FeedbackRequest
from petmood.core.validation import PATTERNS, check_plain_number, validation_message
from petmood.serving.settings import Settings


class Example(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    whole: int = Field(default=1, ge=1, le=9)
    share: float = Field(default=0.5, gt=0, lt=1)
    switch: bool = False
    word: str = Field(default="a", min_length=1)
    digest: str = Field(default="0" * 64, pattern=r"^[0-9a-f]{64}$")
    upper: str = Field(default="A", pattern="^[A-Z]$")
    choice: Literal["a", "b", "c"] = "a"
    several: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)] = (1,)
    nested: "Example | None" = None
    own: str = ""

    @field_validator("own")
    @classmethod
    def _refuse(cls, own: str) -> str:
        raise ValueError(f"{own} is never right")


def message(*, with_input: bool = True, **values: Any) -> str:  # noqa: ANN401 - a wrong value of any type
    with pytest.raises(ValidationError) as refusal:
        Example.model_validate(values)
    return validation_message(refusal.value.errors()[0], with_input=with_input)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"whole": "abc"}, "Expected an integer, got 'abc'"),
        ({"whole": 1.5}, "Expected an integer, got 1.5"),
        ({"whole": None}, "Expected an integer, got None"),
        ({"whole": 0}, "Expected a number of 1 or more, got 0"),
        ({"whole": 10}, "Expected a number of 9 or less, got 10"),
        ({"share": "fast"}, "Expected a number, got 'fast'"),
        ({"share": []}, "Expected a number, got []"),
        ({"share": float("nan")}, "Expected a finite number, got nan"),
        ({"share": -1}, "Expected a number greater than 0, got -1"),
        ({"share": 1}, "Expected a number less than 1, got 1"),
        ({"switch": "maybe"}, "Expected true or false, got 'maybe'"),
        ({"switch": []}, "Expected true or false, got []"),
        ({"word": 1}, "Expected text, got 1"),
        ({"word": ""}, "Expected text with a length of 1 or more, got ''"),
        ({"digest": "abc"}, "Expected a SHA-256 of 64 hex digits in lower case, got 'abc'"),
        ({"upper": "a"}, "Expected text that matches ^[A-Z]$, got 'a'"),
        ({"choice": "d"}, "Expected 'a', 'b' or 'c', got 'd'"),
        ({"several": 1}, "Expected a list, got 1"),
        ({"several": []}, "Expected a list with a length of 1 or more, got []"),
        ({"several": [1, 2, 3]}, "Expected a list with a length of 2 or less, got [1, 2, 3]"),
        ({"nested": [1]}, "Expected a mapping of keys to values, got [1]"),
        ({"own": "this"}, "this is never right, got 'this'"),
    ],
)
def test_what_is_expected_and_what_was_given_are_said(values: dict[str, Any], expected: str) -> None:
    assert message(**values) == expected
    assert message(**values, with_input=False) == expected.rpartition(", got ")[0]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_described_pattern_is_one_of_the_settings_or_of_feedback(pattern: str) -> None:
    kinds = (DataConfig, RunConfig, SearchConfig, Settings, FeedbackRequest)
    schemas = [kind.model_json_schema(mode="validation") for kind in kinds]
    assert f"'pattern': {pattern!r}" in str(schemas)


class Required(BaseModel):
    word: str


def test_a_value_that_is_missing_is_said_without_what_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Required.model_validate({})
    assert validation_message(refusal.value.errors()[0]) == "Expected a value, got none"


@pytest.mark.parametrize(("length", "shown"), [(78, "'" + "x" * 78 + "'"), (79, "'" + "x" * 79 + "...")])
def test_a_long_value_is_cut_after_80_characters(length: int, shown: str) -> None:
    assert message(whole="x" * length) == f"Expected an integer, got {shown}"


@pytest.mark.parametrize("text", ["0", "-12", "+7", "9" * 18])
def test_digits_are_a_plain_integer_and_a_plain_number(text: str) -> None:
    check_plain_number(text, whole=True)
    check_plain_number(text, whole=False)


@pytest.mark.parametrize("text", ["1.5", "1.", ".5", "-2e-3", "1E6", "9" * 19])
def test_a_fraction_an_exponent_and_many_digits_are_a_number_and_no_integer(text: str) -> None:
    check_plain_number(text, whole=False)
    with pytest.raises(ValueError, match=r"^Expected an integer$"):
        check_plain_number(text, whole=True)


@pytest.mark.parametrize("text", ["", "abc", "1_000", " 1", "1\n", "inf", "nan", ".", "1e", "0x1", "\u0661"])
def test_other_notations_are_neither(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Expected an integer$"):
        check_plain_number(text, whole=True)
    with pytest.raises(ValueError, match=r"^Expected a number$"):
        check_plain_number(text, whole=False)

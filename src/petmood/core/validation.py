"""Messages for settings that pydantic rejects: what is expected and what was given, in place of pydantic's words."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

__all__ = ["check_plain_number", "validation_message"]

EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_parsing_size": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_too_short": "text with a length of {min_length} or more",
    "string_too_long": "text with a length of {max_length} or less",
    "string_pattern_mismatch": "text that matches {pattern}",
    "tuple_type": "a list",
    "too_short": "a list with a length of {min_length} or more",
    "too_long": "a list with a length of {max_length} or less",
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "literal_error": "{expected}",
    "extra_forbidden": "no such key",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of {ge} or more",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of {le} or less",
}
"""What is expected, by pydantic's type of the error; the fields in braces are from the error's context."""
INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LONGEST_INPUT: Final = 80
PATTERNS: Final[Mapping[str, str]] = {
    "^/": "a path that begins with /",
    r"^[0-9a-f]{64}$": "a SHA-256 of 64 hex digits in lower case",
    r"^[^\x00]*$": "text without null characters",
    r"^[A-Za-z0-9._-]{1,64}$": "1 to 64 letters, digits, dots, hyphens and underscores",
    "^[^./][^/]*$": "a name without slashes that doesn't begin with a dot",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, dots, hyphens and underscores, and a letter or digit first",
}


def check_plain_number(text: str, *, whole: bool) -> None:
    """Check that a text is a number as people write it: ASCII digits without spaces and underscores.

    An integer has digits alone; another number may have a fraction and an exponent.

    Raises:
        ValueError: the text is something else, also one of Python's other notations, such as ``1_000``, inf or nan.
    """
    if not (INTEGER if whole else NUMBER).fullmatch(text):
        raise ValueError("Expected an integer" if whole else "Expected a number")


def validation_message(error: ErrorDetails, *, with_input: bool = True) -> str:
    """Return an error of pydantic as "Expected an integer, got 'abc'", without the setting's name and a period.

    A message that petmood's own validator wrote, or of a type without an entry, stays as it is. ``with_input`` False
    leaves the given value out, which may be a secret.
    """
    if error["type"] == "missing":
        return "Expected a value, got none"
    context = {name: _without_zeros(value) for name, value in error.get("ctx", {}).items()}
    expected = PATTERNS.get(context.get("pattern", "")) or EXPECTED.get(error["type"], "").format(**context)
    message = f"Expected {expected}" if expected else error["msg"].removeprefix("Value error, ")
    return f"{message}, got {_shortened(repr(error['input']))}" if with_input else message


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_INPUT else f"{text[:LONGEST_INPUT]}..."


def _without_zeros(value: Any) -> Any:  # noqa: ANN401 - any part of an error's context
    return int(value) if isinstance(value, float) and value.is_integer() else value

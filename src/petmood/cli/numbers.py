"""Options that are numbers: as people write them, finite and in a range."""

import math
from typing import Any

import click

from petmood.core.validation import check_plain_number

__all__ = ["Integer", "Number"]


class Integer(click.IntRange):
    """An integer of ASCII digits; spaces, underscores and digits of other scripts are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Return the integer, or fail with what was expected."""
        if isinstance(value, str):
            _check(self, value, param, ctx, whole=True)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A finite number of ASCII digits; infinities and values that are none (nan) are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as above
        """Return the number, or fail with what was expected."""
        if isinstance(value, str):
            _check(self, value, param, ctx, whole=False)
            if not math.isfinite(float(value)):
                self.fail(f"Expected a finite number, got {value!r}.", param, ctx)
        return super().convert(value, param, ctx)


def _check(
    kind: Integer | Number, value: str, param: click.Parameter | None, ctx: click.Context | None, *, whole: bool
) -> None:
    try:
        check_plain_number(value, whole=whole)
    except ValueError as error:
        kind.fail(f"{error}, got {value!r}.", param, ctx)

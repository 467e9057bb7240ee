"""Tests of the description of a drift reference."""

import pytest
from pydantic import ValidationError

from petmood.core.drift_reference import MOST_REFERENCE, ReferenceInfo


@pytest.mark.parametrize(
    "changed",
    [{"photos": "train"}, {"count": -1}, {"count": MOST_REFERENCE + 1}, {"statistics_version": 0}, {"further": 1}],
)
def test_only_known_values_are_taken(changed: dict[str, object]) -> None:
    given = {"photos": "held_out", "count": 3, "statistics_version": 2}
    assert ReferenceInfo.model_validate(given).count == 3
    with pytest.raises(ValidationError):
        ReferenceInfo.model_validate(given | changed)

"""Tests of the augmentation settings: neutral defaults and validated ranges."""

import pytest
from pydantic import ValidationError

from petmood.data.augment_spec import AugmentSpec


def test_by_default_nothing_is_varied() -> None:
    assert AugmentSpec().model_dump(exclude={"min_crop_scale"}) == dict.fromkeys(
        set(AugmentSpec.model_fields) - {"min_crop_scale"}, 0.0
    )
    assert AugmentSpec().min_crop_scale == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"hflip": 1.1},
        {"min_crop_scale": 0.0},
        {"aspect_jitter": 1.0},
        {"rotate_deg": -1},
        {"random_erasing_p": 2},
        {"flip": 0.5},
    ],
)
def test_what_is_out_of_range_or_unknown_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AugmentSpec.model_validate(wrong)

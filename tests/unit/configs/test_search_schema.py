"""Settings of a search: the direction of its metric, and a storage that is written without its password."""

import pytest
from pydantic import ValidationError

from petmood.configs.schema import Config
from petmood.configs.search_schema import Checked, DimensionConfig, SearchConfig


def test_every_group_of_settings_rejects_keys_that_it_does_not_know() -> None:
    groups = [info.annotation for info in Config.model_fields.values() if info.annotation is not int]
    checked = [group for group in groups if isinstance(group, type) and issubclass(group, Checked)]
    assert len(checked) == len(groups) - 1  # `augment` is a record of the data package
    for group in checked:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            group.model_validate({"no_such_key": 1})


@pytest.mark.parametrize(
    "dimension", [{}, {"low": 1, "high": 1}, {"low": 0, "high": 1, "log": True}, {"choices": [1]}, {"choices": [1, 1]}]
)
def test_a_dimension_is_a_range_or_two_choices(dimension: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="Expected"):
        DimensionConfig.model_validate(dimension)
    assert DimensionConfig(low=1, high=3, step=0.5).step == 0.5
    assert DimensionConfig(choices=("tiny", "resnet50")).choices == ("tiny", "resnet50")


def test_a_loss_is_minimized_and_an_accuracy_maximized() -> None:
    assert SearchConfig().direction == "minimize"
    assert SearchConfig(metric="val/accuracy").direction == "maximize"


def test_the_storage_is_written_without_a_password() -> None:
    found = SearchConfig(storage="postgresql://me:WORD@host/name")
    assert "WORD" not in str(found.model_dump())
    assert "WORD" not in repr(found)

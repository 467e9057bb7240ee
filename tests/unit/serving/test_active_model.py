"""Tests of the active model's swap and rollback."""

import pytest

from petmood.core.errors import BundleError
from petmood.inference.fake import FakePredictor
from petmood.serving.active_model import ModelSlot


def test_a_swap_returns_the_old_model_and_keeps_it_for_a_rollback() -> None:
    first, second = FakePredictor(version="1"), FakePredictor(version="2")
    slot = ModelSlot(first)
    assert slot.swap(second) is first
    assert (slot.current, slot.previous) == (second, first)
    assert slot.roll_back() is second
    assert (slot.current, slot.previous) == (first, second)


def test_a_second_rollback_goes_forward_again() -> None:
    first, second = FakePredictor(version="1"), FakePredictor(version="2")
    slot = ModelSlot(first)
    slot.swap(second)
    slot.roll_back()
    slot.roll_back()
    assert slot.current is second


def test_there_is_nothing_to_go_back_to_at_the_start() -> None:
    slot = ModelSlot(FakePredictor())
    with pytest.raises(BundleError, match="no previous model"):
        slot.roll_back()

"""Tests of the number of torch's threads."""

import pytest
import torch

from petmood.models.torch_threads import one_torch_thread


def test_torch_has_one_thread_in_the_block_and_as_many_as_before_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), one_torch_thread():
        1 / (torch.get_num_threads() - 1)
    assert torch.get_num_threads() == before

"""Tests of the heads: one logit per class, and rejected arguments."""

import pytest
import torch
from torch import nn

from petmood.core.errors import ConfigError
from petmood.models.catalog import HEADS
from petmood.models.heads import make_head


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("count", [1, 5])
def test_a_head_gives_one_logit_a_label_for_any_number_of_photos(kind: str, count: int) -> None:
    head = make_head(kind, width=12, classes=4, dropout=0.2)
    assert head(torch.zeros(count, 12)).shape == (count, 4)


@pytest.mark.parametrize("kind", HEADS)
def test_dropout_acts_in_training_alone(kind: str) -> None:
    torch.manual_seed(0)
    head, features = make_head(kind, width=64, classes=3, dropout=0.5), torch.ones(1, 64)
    assert torch.equal(head.eval()(features), head(features))
    assert not torch.equal(head.train()(features), head(features))


def test_a_linear_head_is_linear_and_an_mlp_is_not() -> None:
    linear, mlp = (make_head(kind, width=4, classes=2, dropout=0.0) for kind in HEADS)
    assert sum(isinstance(module, nn.Linear) for module in linear.modules()) == 1
    assert sum(isinstance(module, nn.Linear) for module in mlp.modules()) == 2


@pytest.mark.parametrize("classes", [0, 1])
def test_fewer_than_two_classes_are_refused(classes: int) -> None:
    with pytest.raises(ConfigError, match=f"at least 2 classes, got {classes}"):
        make_head("linear", width=4, classes=classes, dropout=0.0)


def test_an_unknown_head_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Unknown head 'deep'\. Known: linear, mlp"):
        make_head("deep", width=4, classes=2, dropout=0.0)

"""Batch normalization over processes, here of a group of one: values, gradients and statistics of torch's own layer."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, distributed, nn

from petmood.models.synced_batchnorm import synchronize_batchnorm


@pytest.fixture(autouse=True)
def group(tmp_path: Path) -> Iterator[None]:
    """Join a group of one process."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def outcome(layer: nn.Module, images: Tensor) -> list[Tensor]:
    """Return what two training steps and an evaluation give, with the gradients and statistics."""
    wanted = images.clone().requires_grad_()
    found = [layer(wanted), layer(wanted * 2)]
    (found[0] * found[1].sin()).sum().backward()
    state = [value.double() for value in layer.state_dict().values()]
    return [*found, wanted.grad, layer.eval()(images), *state, *(weight.grad for weight in layer.parameters())]


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm2d(3),
        nn.BatchNorm2d(3, momentum=None),
        nn.BatchNorm2d(3, affine=False),
        nn.BatchNorm2d(3, track_running_stats=False),
        BatchNormAct2d(3, act_layer=nn.ReLU6),
    ],
    ids=["usual", "cumulative", "without weights", "without statistics", "timm's, with an activation"],
)
def test_a_group_of_one_gives_what_torch_s_layer_gives(layer: nn.BatchNorm2d) -> None:
    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1)).double() * 3 + 7
    own = copy.deepcopy(layer).double()
    together = copy.deepcopy(own)
    synchronize_batchnorm(together)
    assert together.state_dict().keys() == own.state_dict().keys()
    for one, other in zip(outcome(own, images), outcome(together, images), strict=True):
        torch.testing.assert_close(one, other)


def test_a_network_is_changed_once_and_can_be_copied() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    synchronize_batchnorm(network)
    kind = type(network[1])
    assert (kind.__name__, isinstance(network[1], nn.BatchNorm2d)) == ("SynchronizedBatchNorm2d", True)
    synchronize_batchnorm(network)
    assert type(network[1]) is kind
    assert type(copy.deepcopy(network)[1]) is kind


def test_half_precision_stays_half_precision() -> None:
    layer = nn.BatchNorm2d(3)
    synchronize_batchnorm(layer)
    assert layer(torch.randn(4, 3, 2, 2).bfloat16()).dtype is torch.bfloat16

"""Tests of initial weights: ImageNet and file sources, and one-line errors."""

import hashlib
import pickle
import struct
from collections.abc import Callable
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import ResNet18_Weights, get_model

from petmood.core.errors import ConfigError, DownloadError, PetmoodError
from petmood.core.image import ImageSpec
from petmood.models.backbones import build_backbone
from petmood.models.network import ExpressionNet, NetworkSpec, build_network
from petmood.models.pretrained import load_backbone_weights

PutIntoCache = Callable[[bytes], Path]


def tiny(weights: str, *, head: str = "linear") -> ExpressionNet:
    """Build the tiny network from initial weights."""
    return build_network(NetworkSpec("tiny", head=head), image=ImageSpec(side_px=32), classes=4, weights=weights)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Return whether two state dicts are equal, ignoring batch counters."""
    names = [name for name in first if not name.endswith("num_batches_tracked")]
    return all(torch.equal(first[name], second[name]) for name in names)


def refusal(weights: str, *, backbone: str = "tiny") -> str:
    """Return the one-line error for rejected weights."""
    module = build_backbone(backbone).module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(PetmoodError) as refused:
        load_backbone_weights(module, backbone=backbone, weights=weights)
    assert "\n" not in str(refused.value)
    assert same(before, module.state_dict())
    return str(refused.value)


@pytest.fixture
def put_into_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutIntoCache:
    """Return a function that writes bytes to torchvision's cache of resnet18, under a name with their hash."""

    def put(data: bytes) -> Path:
        name = f"resnet18-{hashlib.sha256(data).hexdigest()[:8]}.pth"
        path = tmp_path / "hub" / "checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", f"https://download.pytorch.org/models/{name}")
        return path

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return put


# --- files ------------------------------------------------------------------------------------------------------------


def test_no_weights_leave_the_random_ones() -> None:
    torch.manual_seed(0)
    given = tiny("none").state_dict()
    torch.manual_seed(0)
    assert same(given, tiny("none").state_dict())


def test_the_weights_of_a_run_fill_the_backbone_and_leave_the_head_as_it_is(tmp_path: Path) -> None:
    run = tiny("none", head="mlp")
    save_file(run.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(0)
    fresh = tiny("none").head.state_dict()
    torch.manual_seed(0)
    network = tiny(str(tmp_path / "model.safetensors"))
    assert same(run.backbone.state_dict(), network.backbone.state_dict())
    assert same(fresh, network.head.state_dict())


def test_the_weights_of_a_bare_backbone_fit_too(tmp_path: Path) -> None:
    module = build_backbone("tiny").module
    save_file(module.state_dict(), tmp_path / "backbone.safetensors")
    assert same(module.state_dict(), tiny(str(tmp_path / "backbone.safetensors")).backbone.state_dict())


def test_weights_for_another_backbone_are_refused_by_the_first_tensor_that_is_missing(tmp_path: Path) -> None:
    save_file(build_backbone("resnet18").module.state_dict(), tmp_path / "resnet.safetensors")
    text = refusal(str(tmp_path / "resnet.safetensors"))
    assert "don't fit tiny" in text
    assert "30 of 30 tensors are missing, first 'features.0.0.weight'" in text


def test_weights_of_another_width_are_refused_by_the_first_tensor_that_differs(tmp_path: Path) -> None:
    state = build_backbone("tiny").module.state_dict()
    state["features.2.0.weight"] = torch.zeros(1, 2, 3, 3)
    save_file(state, tmp_path / "wide.safetensors")
    text = refusal(str(tmp_path / "wide.safetensors"))
    assert "'features.2.0.weight' has shape (1, 2, 3, 3), expected (64, 48, 3, 3)" in text


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "Allowed: none, imagenet, or a file" in refusal(str(tmp_path / "none.safetensors"))
    assert "No weights file" in refusal(str(tmp_path))


class Dangerous:
    """A pickle that creates a file when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("opened"),))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage" * 40,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10) + b"{}",
        pickle.dumps(Dangerous()),
        pickle.dumps({"features.0.0.weight": [1.0]}),
    ],
    ids=["empty", "garbage", "header of 8 EB", "truncated header", "pickle that acts", "pickle"],
)
def test_a_file_that_is_no_safetensors_file_is_refused_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(data)
    assert "isn't a safetensors file" in refusal(str(tmp_path / "model.safetensors"))
    assert not Path("opened").exists()


def test_a_truncated_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tiny("none").state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "isn't a safetensors file" in refusal(str(path))


# --- ImageNet ---------------------------------------------------------------------------------------------------------


def test_without_a_network_imagenet_weights_are_one_line_that_names_the_file_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    module = build_backbone("mobilenet_v3_small").module
    with pytest.raises(DownloadError) as refused:
        load_backbone_weights(module, backbone="mobilenet_v3_small", weights="imagenet")
    text = str(refused.value)
    assert "Put mobilenet_v3_small-047dcff4.pth into" in text
    assert str(tmp_path / "hub" / "checkpoints") in text
    assert "model.weights=none" in text
    assert "\n" not in text


def test_cached_imagenet_weights_are_used_without_a_network(put_into_cache: PutIntoCache, tmp_path: Path) -> None:
    whole = get_model("resnet18", weights=None).state_dict()
    torch.save(whole, tmp_path / "saved.pth")
    put_into_cache((tmp_path / "saved.pth").read_bytes())
    module = build_backbone("resnet18").module
    load_backbone_weights(module, backbone="resnet18", weights="imagenet")
    assert same(module.state_dict(), whole)


def test_imagenet_weights_that_lack_the_counts_of_batches_are_used(
    put_into_cache: PutIntoCache, tmp_path: Path
) -> None:
    """torchvision's weights file of resnet18 has 102 tensors, its network 122."""
    whole = get_model("resnet18", weights=None).state_dict()
    bare = {name: value for name, value in whole.items() if not name.endswith("num_batches_tracked")}
    assert (len(bare), len(whole)) == (102, 122)
    torch.save(bare, tmp_path / "saved.pth")
    put_into_cache((tmp_path / "saved.pth").read_bytes())
    module = build_backbone("resnet18").module
    load_backbone_weights(module, backbone="resnet18", weights="imagenet")
    assert same(module.state_dict(), whole)


def test_a_damaged_cache_is_refused_with_its_path(put_into_cache: PutIntoCache) -> None:
    path = put_into_cache(b"weights" * 100)
    path.write_bytes(path.read_bytes()[:-1])
    text = refusal("imagenet", backbone="resnet18")
    assert f"{path} is damaged" in text
    assert "Delete it" in text


@pytest.mark.parametrize("error", [URLError("no route"), IncompleteRead(b"half"), RuntimeError("invalid hash value")])
def test_a_download_that_breaks_or_is_not_what_it_should_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(ResNet18_Weights.DEFAULT), "get_state_dict", broken)
    assert "can't be fetched" in refusal("imagenet", backbone="resnet18")


def test_a_backbone_of_our_own_has_no_imagenet_weights() -> None:
    module = build_backbone("tiny").module
    with pytest.raises(ConfigError, match="no ImageNet weights for 'tiny'"):
        load_backbone_weights(module, backbone="tiny", weights="imagenet")

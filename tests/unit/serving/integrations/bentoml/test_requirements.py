"""Tests of the pinned requirements of an extra."""

from importlib.metadata import version

import pytest

from petmood.core.errors import MissingDependency
from petmood.serving.integrations.bentoml.requirements import pinned


def test_the_extra_is_pinned_all_the_way_down_and_nothing_else() -> None:
    pins = dict(line.split("==") for line in pinned(extra="bento"))
    assert pins["bentoml"] == version("bentoml")
    assert pins["onnxruntime"] == version("onnxruntime")
    assert pins["numpy"] == version("numpy")  # of petmood itself
    assert pins["starlette"] == version("starlette")  # of fastapi and bentoml
    assert not pins.keys() & {"torch", "torchvision", "lightning", "streamlit", "pytest", "petmood"}


def test_pins_are_sorted_and_each_named_once() -> None:
    pins = pinned(extra="bento")
    names = [pin.partition("==")[0] for pin in pins]
    assert names == sorted(set(names))


def test_an_extra_that_is_not_installed_is_named_by_its_command() -> None:
    with pytest.raises(MissingDependency, match=r"pip install 'no-such-package\[bento\]'"):
        pinned(extra="bento", package="no-such-package")

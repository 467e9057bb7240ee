"""Fixtures of the registry tests: small bundles and one registry per backend."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.registries import KINDS, registry_address

MakeBundle = Callable[[str], Path]


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return a function that writes a bundle whose content is told by a word."""

    return partial(word_bundle, tmp_path / "bundles")


@pytest.fixture(params=KINDS)
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Return an empty registry: in a folder, in MLflow, and in two kinds of buckets."""
    with registry_address(request.param, tmp_path, monkeypatch) as address:
        yield open_registry(address)

"""Fixture of the inference tests: one tiny bundle per session."""

import pytest

from petmood.core.bundle import Bundle
from tests.support.networks import tiny_bundle


@pytest.fixture(scope="session")
def shared_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the tiny bundle."""
    return tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")

"""Fixtures with a shared service, test bundles and the table of fault results."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.bundle import Bundle
from petmood.export.bundle import export_bundle
from tests.support.fault_table import FaultTable
from tests.support.images import faces, jpeg, photo_like
from tests.support.networks import IMAGE, facts, reference_photos, tiny_bundle, tiny_network
from tests.support.served import Served, serving


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the tiny bundle."""
    return tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle of the same architecture with different predictions."""
    folder = tmp_path_factory.getbasetemp() / "other-bundle"
    golden = faces(16, side_px=IMAGE.side_px, seed=7)
    reference = reference_photos(seed=200)
    return export_bundle(tiny_network(seed=5), facts(name="other"), golden=golden, reference=reference, to=folder)


@pytest.fixture(scope="session")
def good(photo_pixels: NDArray[np.uint8]) -> bytes:
    """Return a valid photo."""
    return jpeg(photo_pixels)


@pytest.fixture(scope="session")
def service(bundle: Bundle, good: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the tiny bundle, warmed up, as the first photo of every size allocates memory that stays."""
    with serving(bundle.folder, tmp_path_factory.getbasetemp() / "service.log") as served:
        large = jpeg(photo_like(1600, 1200))
        for _ in range(8):
            assert served.predict(good).status == 200
            assert served.predict(large).status == 200
        yield served


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultTable]:
    """Collect the result of every fault and write them at the end; processes of one test run share a folder."""
    rows = FaultTable()
    yield rows
    if rows.rows:
        base, worker = tmp_path_factory.getbasetemp(), os.environ.get("PYTEST_XDIST_WORKER")
        rows.write(base.parent if worker else base, part=worker or "main")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the log path for a test's own service."""
    return tmp_path / "service.log"

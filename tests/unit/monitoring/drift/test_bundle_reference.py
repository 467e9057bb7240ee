"""Tests of reading the drift reference of a bundle."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.bundle import Bundle, pack_arrays
from petmood.core.drift_reference import ReferenceInfo
from petmood.core.errors import BundleError
from petmood.monitoring.drift.bundle_reference import read_reference
from tests.support.bundles import forge


def test_the_arrays_have_the_types_of_the_tests(shared_bundle: Bundle) -> None:
    found = read_reference(shared_bundle)
    assert len(found) == 60
    assert found.classes == shared_bundle.manifest.classes
    assert found.embedding.dtype == np.float16


@pytest.mark.parametrize("info", [None, ReferenceInfo(photos="held_out", count=60, statistics_version=1)])
def test_a_reference_of_another_definition_is_refused(shared_bundle: Bundle, info: ReferenceInfo | None) -> None:
    older = replace(shared_bundle, manifest=shared_bundle.manifest.model_copy(update={"reference": info}))
    with pytest.raises(BundleError, match=r"no drift reference that this version can compare with\. Export the run"):
        read_reference(older)


def test_damaged_arrays_and_another_number_are_refused(shared_bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared_bundle.folder, tmp_path / "copy"))
    with pytest.raises(BundleError, match=r"expected an array 'statistics'.*Export the run again"):
        read_reference(forge(folder, "reference.npz", pack_arrays(mean=np.zeros(3))))
    few: dict[str, Any] = {
        "statistics": np.zeros((3, 4), np.float32),
        "embedding": np.zeros((3, 640), np.float16),
        "residual": np.ones(3, np.float32),
        "probabilities": np.full((3, 4), 0.25, np.float32),
        "confident": np.ones(3, np.bool_),
        "in_domain": np.ones(3, np.bool_),
        "correct": np.ones(3, np.int8),
    }
    with pytest.raises(BundleError, match="expected 60 photos, got 3"):
        read_reference(forge(folder, "reference.npz", pack_arrays(**few)))
    nan = few | {"residual": np.array([1, np.nan, 1], np.float32)}
    with pytest.raises(BundleError, match="Expected finite residual"):
        read_reference(forge(folder, "reference.npz", pack_arrays(**nan)))

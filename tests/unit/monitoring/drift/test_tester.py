"""Tests of the drift of what a bundle predicted."""

from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError
from petmood.monitoring.drift.tester import DriftTester, known_bundle
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.rows import LoggedBundle
from tests.support.drifting import START_US, log_photos, new_log


def test_photos_like_those_of_the_reference_and_darker_ones(shared_bundle: Bundle, tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 60)
    tester = DriftTester(shared_bundle)
    same = tester.window(engine)
    assert same.result.status is DriftStatus.OK, same.result
    assert (same.first_us, same.last_us, same.left_out) == (START_US, START_US + 59_000_000, 0)
    log_photos(engine, shared_bundle, 60, first=60, darkened=True)
    darker = tester.window(engine, last=60)
    assert darker.result.status is DriftStatus.DRIFT
    assert "brightness is lower" in darker.result.sentence
    assert tester.window(engine, since_us=START_US + 60_000_000).result.to_json() == darker.result.to_json()
    told = darker.to_json()
    assert (told["status"], told["rows"], told["bundle"]["name"]) == ("drift", 60, shared_bundle.manifest.name)
    engine.dispose()


def test_few_rows_and_none_are_insufficient(shared_bundle: Bundle, tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    tester = DriftTester(shared_bundle)
    none = tester.window(engine)
    assert (none.result.status, none.first_us, none.last_us) == (DriftStatus.INSUFFICIENT, None, None)
    log_photos(engine, shared_bundle, 10)
    assert "at least 50 in the window, got 10" in tester.window(engine).result.sentence
    engine.dispose()


def test_a_bundle_is_named_as_the_log_names_it(shared_bundle: Bundle) -> None:
    manifest = shared_bundle.manifest
    expected = LoggedBundle(shared_bundle.sha256, manifest.name, manifest.version, manifest.classes)
    assert known_bundle(shared_bundle) == expected


def test_a_bundle_without_a_reference_is_refused(shared_bundle: Bundle) -> None:
    old = Bundle(shared_bundle.folder, shared_bundle.manifest.model_copy(update={"reference": None}), "0" * 64)
    with pytest.raises(BundleError, match="no drift reference"):
        DriftTester(old)

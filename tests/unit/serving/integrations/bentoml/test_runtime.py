"""Tests of the BentoML runtime: opening, closing, settings and the batch size per thread."""

from pathlib import Path

import pytest

from petmood.core.errors import ConfigError
from petmood.core.photo import ImageLimits
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.serving.integrations.bentoml.runtime import ServiceRuntime, bundle_from_environment


def test_a_runtime_is_open_between_open_and_close(tmp_path: Path) -> None:
    runtime = ServiceRuntime(opener=lambda _, **__: FakePredictor())
    with pytest.raises(RuntimeError, match="is not running"):
        _ = runtime.service
    runtime.open(tmp_path)
    assert runtime.service.workers.alive
    runtime.close()
    assert not runtime.service.workers.alive


def test_closing_what_was_never_open_does_nothing() -> None:
    ServiceRuntime().close()


@pytest.mark.parametrize(("max_batch", "share"), [(1, 1), (8, 4), (9, 5)])
def test_a_batch_is_shared_out_among_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_batch: int, share: int
) -> None:
    monkeypatch.setenv("PETMOOD_THREADS", "2")
    runtime = ServiceRuntime(max_batch=max_batch, opener=lambda _, **__: FakePredictor())
    runtime.open(tmp_path)
    runtime.close()
    assert runtime.service.settings.batch == share


def test_the_limits_are_the_settings_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_FILE_MB", "3")
    seen: list[ImageLimits] = []

    def opener(_: Path, *, limits: ImageLimits, measures: bool, variant: str) -> Predictor:
        assert (measures, variant) == (False, "fp32")
        seen.append(limits)
        return FakePredictor()

    runtime = ServiceRuntime(opener=opener)
    runtime.open(tmp_path)
    runtime.close()
    assert seen[0].file_bytes == 3_000_000


def test_the_environment_names_the_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PETMOOD_BUNDLE", str(tmp_path))
    assert bundle_from_environment() == tmp_path


def test_an_environment_without_a_bundle_shows_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PETMOOD_BUNDLE", raising=False)
    with pytest.raises(ConfigError, match="petmood bento BUNDLE"):
        bundle_from_environment()

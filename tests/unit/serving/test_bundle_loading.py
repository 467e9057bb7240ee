"""Tests of loading for the service: limits from the settings, and the demanded signature before anything is loaded."""

from pathlib import Path
from typing import Any

import pytest

from petmood.core.errors import SignatureError
from petmood.core.signature import sign
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.serving.bundle_loading import open_bundle
from petmood.serving.settings import Settings
from tests.support.bundles import forge, word_bundle
from tests.support.signing import key_pair


class Opener:
    """Loader that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, folder: Path, **given: Any) -> Predictor:  # noqa: ANN401 - as load_bundle
        """Return a predictor without a network."""
        self.asked.append({"folder": folder, **given})
        return FakePredictor()


def test_the_settings_say_how_a_bundle_is_loaded(tmp_path: Path) -> None:
    settings, opener = Settings(file_mb=3, variant="auto"), Opener()
    open_bundle(tmp_path, settings, opener=opener)
    open_bundle(tmp_path, Settings(), opener=opener)
    first, second = opener.asked
    assert first == {"folder": tmp_path, "limits": settings.limits, "measures": False, "variant": "auto"}
    assert second["variant"] == "fp32"


def test_a_signed_bundle_is_loaded_and_a_forged_or_unsigned_one_is_not_touched(tmp_path: Path) -> None:
    keys, folder, opener = key_pair(tmp_path / "keys"), word_bundle(tmp_path, "one"), Opener()
    settings = Settings(public_key=str(keys.public))
    with pytest.raises(SignatureError, match="has no signature"):
        open_bundle(folder, settings, opener=opener)
    sign(folder, key=keys.private)
    forge(folder, "model.onnx", b"another network")
    with pytest.raises(SignatureError, match="not valid"):
        open_bundle(folder, settings, opener=opener)
    assert opener.asked == []
    sign(folder, key=keys.private)
    open_bundle(folder, settings, opener=opener)
    assert len(opener.asked) == 1

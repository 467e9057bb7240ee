"""Tests of the files of folds that have ended."""

from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import RunError
from petmood.evaluation.fold_files import FoldFiles


def test_folds_are_kept_by_method_and_photos(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {"settings": {"seed": 1}})
    logits = np.arange(6.0).reshape(3, 2)
    files.write(0, 1, ["a", "b", "c"], logits)
    np.testing.assert_array_equal(files.read(0, 1, ["a", "b", "c"]), logits)
    assert files.read(0, 1, ["a", "b", "d"]) is None
    assert files.of("hog_svm").read(0, 1, ["a", "b", "c"]) is None
    assert FoldFiles(tmp_path, {"settings": {"seed": 2}}).read(0, 1, ["a", "b", "c"]) is None


def test_another_origin_is_refused_with_what_differs(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {"settings": {"seed": 1}, "data": "d1", "code": "c1"})
    files.refuse_other()
    files.write(0, 0, ["a"], np.zeros((1, 2)))
    files.refuse_other()
    files.of("hog_svm").refuse_other()
    with pytest.raises(RunError, match="with other code and other data\\. Give another"):
        FoldFiles(tmp_path, {"settings": {"seed": 1}, "data": "d2", "code": "c2"}).refuse_other()
    for damaged in ("{", "null", "[1]"):
        (tmp_path / "folds/origin.json").write_text(damaged)
        with pytest.raises(RunError, match=r"origin\.json can't be read\. Move .* away"):
            files.refuse_other()


def test_a_fold_damaged_at_any_byte_is_fitted_again_or_has_the_same_logits(tmp_path: Path) -> None:
    files, paths = FoldFiles(tmp_path, {}), ["a", "b", "c"]
    logits = np.random.default_rng(0).normal(size=(3, 2))
    files.write(0, 0, paths, logits)
    path = tmp_path / "folds/recipe-0-0.npz"
    whole = path.read_bytes()
    unread = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        if (found := files.read(0, 0, paths)) is None:
            unread += 1
        else:
            np.testing.assert_array_equal(found, logits)
    assert unread > len(whole) / 2


def test_a_disk_that_takes_no_more_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("petmood.evaluation.fold_files.atomic_write_bytes", full)
    files = FoldFiles(tmp_path, {})
    files.write(0, 0, ["a"], np.zeros((1, 2)))
    assert "recipe-0-0.npz: No space left on device" in caplog.text
    assert files.read(0, 0, ["a"]) is None

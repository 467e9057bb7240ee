"""Tests of the files of folds that have ended."""

import re
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import RunError
from petmood.evaluation.fold_files import FoldFiles, read_origin


def test_folds_are_kept_by_method_and_photos(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {"settings": {"seed": 1}})
    logits = np.arange(6.0).reshape(3, 2)
    files.write(0, 1, ["a", "b", "c"], logits)
    np.testing.assert_array_equal(files.read(0, 1, ["a", "b", "c"]), logits)
    assert files.read(0, 1, ["a", "b", "d"]) is None
    assert files.of("hog_svm").read(0, 1, ["a", "b", "c"]) is None
    assert FoldFiles(tmp_path, {"settings": {"seed": 2}}).read(0, 1, ["a", "b", "c"]) is None
    files.of("hog_svm").write(0, 1, ["a", "b", "c"], logits + 1)
    files.write(2, 0, ["a", "b", "c"], logits + 2)
    stored = sorted(path.name for path in (tmp_path / "folds").iterdir())
    assert stored == ["hog_svm-0-1.npz", "origin.json", "recipe-0-1.npz", "recipe-2-0.npz"]
    np.testing.assert_array_equal(files.read(0, 1, ["a", "b", "c"]), logits)
    np.testing.assert_array_equal(files.of("hog_svm").read(0, 1, ["a", "b", "c"]), logits + 1)
    np.testing.assert_array_equal(files.read(2, 0, ["a", "b", "c"]), logits + 2)


def test_the_order_of_the_names_of_an_origin_does_not_matter(tmp_path: Path) -> None:
    FoldFiles(tmp_path, {"data": "d1", "code": "c1"}).write(0, 0, ["a"], np.ones((1, 2)))
    same = FoldFiles(tmp_path, {"code": "c1", "data": "d1"})
    same.refuse_other()
    np.testing.assert_array_equal(same.read(0, 0, ["a"]), np.ones((1, 2)))


def test_a_fold_that_tests_no_photo_is_stored_too(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {})
    files.write(0, 0, [], np.zeros((0, 4)))
    found = files.read(0, 0, [])
    assert found is not None
    assert found.shape == (0, 4)


@pytest.mark.parametrize("kind", ["float32", "int64"])
def test_logits_of_any_type_are_stored_as_float64(tmp_path: Path, kind: str) -> None:
    files = FoldFiles(tmp_path, {})
    files.write(0, 0, ["a", "b"], np.array([[1, 2], [3, 4]], dtype=kind))
    found = files.read(0, 0, ["a", "b"])
    assert found is not None
    assert found.dtype == np.float64
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_logits_of_fewer_photos_than_asked_are_not_returned(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {})
    files.write(0, 0, ["a", "bc", "d"], np.zeros((2, 4)))
    assert files.read(0, 0, ["a", "bc", "d"]) is None
    files.write(0, 0, ["a", "bc"], np.zeros((2, 4)))
    assert files.read(0, 0, ["a", "bc", "d"]) is None
    assert files.read(0, 0, ["a"]) is None
    assert files.read(0, 0, ["a", "bd"]) is None


@pytest.mark.parametrize(("classes", "is_read"), [(1000, True), (1001, False)])
def test_at_most_a_thousand_classes_are_read(tmp_path: Path, classes: int, *, is_read: bool) -> None:
    files = FoldFiles(tmp_path, {})
    files.write(0, 0, ["a"], np.zeros((1, classes)))
    assert (files.read(0, 0, ["a"]) is not None) == is_read


def test_another_origin_is_refused_with_what_differs(tmp_path: Path) -> None:
    files = FoldFiles(tmp_path, {"settings": {"seed": 1}, "data": "d1", "code": "c1"})
    files.refuse_other()
    files.write(0, 0, ["a"], np.zeros((1, 2)))
    files.refuse_other()
    files.of("hog_svm").refuse_other()
    for other, named in (
        ({"settings": {"seed": 1}, "data": "d2", "code": "c2"}, "other code and other data"),
        ({"settings": {"seed": 1}, "data": "d1"}, "other code"),
        ({"settings": {"seed": 2}, "data": "d1", "code": "c1", "weights": "w1"}, "other settings and other weights"),
    ):
        message = f"{tmp_path} holds folds of a cross-validation with {named}. "
        message += "Give another run.name, or move that folder away."
        with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            FoldFiles(tmp_path, other).refuse_other()
    path = tmp_path / "folds/origin.json"
    message = f"{path} can't be read. Move {tmp_path} away, or give another run.name."
    for damaged in ("{", "null", "[1]"):
        path.write_text(damaged)
        with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
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
    path = tmp_path / "folds/recipe-0-0.npz"
    assert caplog.messages == [f"{path}: No space left on device. The cross-validation continues without this file."]
    assert files.read(0, 0, ["a"]) is None


def test_the_origin_of_stored_folds_can_be_read_and_is_none_without_folds(tmp_path: Path) -> None:
    assert read_origin(tmp_path) is None
    FoldFiles(tmp_path, {"data": "4dfa", "settings": {"folds": 2}}).write(0, 0, ["a"], np.zeros((1, 2)))
    assert read_origin(tmp_path) == {"data": "4dfa", "settings": {"folds": 2}}

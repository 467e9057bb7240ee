"""Tests of the user's cache folder."""

import stat
from pathlib import Path

import pytest

from petmood.core.user_cache import cache_folder


def test_the_cache_is_where_it_was_set_else_in_the_persons_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/petmood"
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "told"))
    assert cache_folder() == tmp_path / "told"


def test_where_the_persons_cache_can_not_be_written_it_is_a_passing_one_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.delenv("PETMOOD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = cache_folder()
    assert found.parent == tmp_path
    assert stat.S_IMODE(found.stat().st_mode) == 0o700

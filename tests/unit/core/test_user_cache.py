"""Tests of the user's cache folder."""

import os
import stat
from pathlib import Path

import pytest

from petmood.core.user_cache import cache_folder, temporary_folder


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


def test_the_cache_is_made_in_the_home_folder_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PETMOOD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == cache_folder() == tmp_path / "home/.cache/petmood"
    assert (tmp_path / "home/.cache/petmood").is_dir()


@pytest.mark.posix
def test_a_cache_that_is_read_only_or_a_home_that_is_unknown_gives_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    temporary = tmp_path / f"petmood-{os.getuid()}"
    asked = list[tuple[Path, int]]()

    def access(path: Path, mode: int) -> bool:
        asked.append((path, mode))
        return False

    with monkeypatch.context() as patch:
        patch.setattr(os, "access", access)
        assert cache_folder() == temporary
    assert asked == [(tmp_path / "cache/petmood", os.W_OK)]

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", unknown)
    assert cache_folder() == temporary


@pytest.mark.posix
def test_a_temporary_folder_is_used_again_if_nobody_else_may_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"petmood-{os.getuid()}"
    assert temporary_folder() == temporary_folder() == folder
    for mode, used in ((0o700, True), (0o755, True), (0o720, False), (0o702, False)):
        folder.chmod(mode)
        assert (temporary_folder() == folder) == used
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert temporary_folder() != folder, "a link"


@pytest.mark.posix
def test_a_temporary_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    found = temporary_folder()
    assert found != tmp_path / f"petmood-{other}"
    assert found.is_dir()
    assert temporary_folder() == found
    found.rmdir()  # as a cleaner of old files does
    assert temporary_folder() != found
    assert temporary_folder().is_dir()

"""Tests of output paths that are checked before any work."""

import os
from pathlib import Path

import pytest

from petmood.core import output_paths as module
from petmood.core.errors import OutputError
from petmood.core.output_paths import refuse_unwritable, resolve_file, resolve_folder


def test_a_mount_point_is_known_without_the_kernel_s_list_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "none")
    with pytest.raises(OutputError, match="/proc is a mount point"):
        resolve_folder(Path("/proc"))
    assert resolve_folder(tmp_path / "x/y") == (tmp_path / "x/y").resolve()


def test_a_file_is_written_where_its_link_points(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there/report.html")
    assert resolve_file(tmp_path / "link") == (tmp_path / "there/report.html").resolve()
    assert resolve_file(tmp_path / "new/deep/file") == (tmp_path / "new/deep/file").resolve()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_a_file_that_can_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "lost").symlink_to(tmp_path / "not-mounted/file")
    with pytest.raises(OutputError, match=r"Expected a file to write, got the folder .*\. Give the name of a file"):
        resolve_file(tmp_path)
    with pytest.raises(OutputError, match="contains a broken link"):
        resolve_file(tmp_path / "lost")
    with pytest.raises(OutputError, match=r"file/report\.html can't be written: .*file is not a writable folder"):
        resolve_file(tmp_path / "file/report.html")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"31 22 8:1 /y {tmp_path}/file rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(module, "MOUNTS", mounts)
    with pytest.raises(OutputError, match="file can't be replaced, since it is a mount point"):
        resolve_file(tmp_path / "file")


def test_a_folder_that_takes_no_files_is_refused_with_its_nearest_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unwritable(tmp_path)
    refuse_unwritable(tmp_path / "new/deep")
    monkeypatch.chdir(tmp_path)
    refuse_unwritable(Path("profiles/new"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match=rf"new/deep can't be written: {tmp_path} is not a writable folder"):
        refuse_unwritable(tmp_path / "new/deep")
    with pytest.raises(OutputError, match="profiles can't be written"):
        refuse_unwritable(Path("profiles"))

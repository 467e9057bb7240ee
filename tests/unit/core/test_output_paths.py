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


def messages(tmp_path: Path, target: Path) -> tuple[str, str]:
    """Return why a target is refused as a folder and as a file."""
    found = []
    for resolve in (resolve_folder, resolve_file):
        with pytest.raises(OutputError) as refusal:
            resolve(target)
        found.append(str(refusal.value).replace(str(tmp_path), "TMP"))
    return found[0], found[1]


def test_a_mount_point_at_or_below_a_target_is_found_by_its_escaped_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a b\tX\\\u00a0\u2028\rc"
    mounts = tmp_path / "mountinfo"
    escaped = f"{tmp_path}/a\\040b\\011X\\134\u00a0\u2028\rc"  # the kernel escapes no other line ends
    others = f"31 22 8:1 / /elsewhere rw - ext4 /dev/x rw\n32 22 8:1 / {tmp_path}/near rw - ext4 /dev/x rw\n".encode()
    others += b"33 22 8:1 / /caf\xe9 rw - ext4 /dev/x rw\n"
    mounts.write_bytes(others)
    monkeypatch.setattr(module, "MOUNTS", mounts)
    assert resolve_folder(odd) == odd.resolve()
    assert resolve_folder(tmp_path / "nea") == (tmp_path / "nea").resolve()
    for point in (escaped, f"{escaped}/below"):
        mounts.write_bytes(others + f"34 22 8:1 / {point} rw - ext4 /dev/x rw\n".encode())
        with pytest.raises(OutputError) as refusal:
            resolve_folder(odd)
        expected = f"{odd} can't be replaced: {point} is a mount point. Choose a folder inside {odd}."
        assert str(refusal.value) == expected


def test_a_target_is_refused_in_one_line_that_shows_it_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert (
        messages(tmp_path, tmp_path / "link/new")
        == ("TMP/link/new can't be written: TMP/file is not a writable folder. Choose another folder.",) * 2
    )
    with pytest.raises(OutputError) as refusal:
        resolve_file(tmp_path)
    assert str(refusal.value) == (
        f"Expected a file to write, got the folder {tmp_path}. Give the name of a file in it."
    )


def test_links_that_lead_nowhere_or_in_a_circle_are_broken_and_others_are_followed(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to(tmp_path / "not-mounted")
    (tmp_path / "deep").symlink_to(tmp_path / "not-mounted/folder")
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for name in ("lost/new", "deep", "one"):
        assert (
            messages(tmp_path, tmp_path / name)
            == (f"TMP/{name} contains a broken link. Mount the disk that it points to, or choose another folder.",) * 2
        )
    (tmp_path / "there").mkdir()
    (tmp_path / "good").symlink_to(tmp_path / "there")
    assert resolve_folder(tmp_path / "good/new") == (tmp_path / "there/new").resolve()


@pytest.mark.parametrize("below", ["", "new/deep"])
def test_a_folder_behind_a_broken_or_circular_link_takes_no_files(tmp_path: Path, below: str) -> None:
    """The nearest folder that exists is writable, yet none can be made there."""
    (tmp_path / "lost").symlink_to(tmp_path / "not-mounted")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("lost", "circle"):
        with pytest.raises(OutputError) as refused:
            refuse_unwritable(tmp_path / name / below)
        said = str(refused.value).replace(str(tmp_path / name / below), "FOLDER")
        assert said == "FOLDER contains a broken link. Mount the disk that it points to, or choose another folder."
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    refuse_unwritable(tmp_path / "link" / below)


def test_a_folder_must_be_writable_and_searchable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[Path, int]]()

    def access(path: Path, mode: int) -> bool:
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(OutputError) as refusal:
        refuse_unwritable(tmp_path / "new", shown=Path("shown"))
    assert str(refusal.value) == (
        f"shown can't be written: {tmp_path} is not a writable folder. Choose another folder."
    )
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]

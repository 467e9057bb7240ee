"""Tests of the flags for opening files."""

import os
from pathlib import Path

import pytest

from petmood.core.open_flags import BINARY, NO_FOLLOW


def test_bytes_are_written_as_they_are_and_children_do_not_inherit_the_file(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT | BINARY)
    assert not os.get_inheritable(handle)
    os.write(handle, b"one\r\ntwo\n\x1a")
    os.close(handle)
    assert (tmp_path / "a").read_bytes() == b"one\r\ntwo\n\x1a"


@pytest.mark.posix
def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"target")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="b"):
        os.open(tmp_path / "b", os.O_RDONLY | NO_FOLLOW)

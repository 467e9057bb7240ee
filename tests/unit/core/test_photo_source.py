"""Tests of photos given as paths, bytes, binary files and folders."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petmood.core.errors import DataError, FileTooLarge, PhotoError
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.photo_source import (
    PhotoSource,
    bytes_or_path,
    find_each_photo,
    find_photos,
    is_photo_name,
    photo_bytes,
    photos_below,
    several_photos,
)
from tests.support.images import jpeg, photo_like
from tests.support.source_tree import ROOT

PHOTO = jpeg(photo_like(40, 40))


def fill(folder: Path, *names: str) -> None:
    """Put the same photo under several names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PHOTO)


class Failing(io.BytesIO):
    """A file on a disk that fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise OSError(5, f"Input/output error after {size}")


# --- one photo --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_and_binary_files_give_their_bytes(kind: Callable[[bytes], PhotoSource]) -> None:
    assert bytes_or_path(kind(PHOTO), max_bytes=len(PHOTO)) == PHOTO


def test_a_text_is_a_path_and_a_path_stays_one(tmp_path: Path) -> None:
    assert bytes_or_path(str(tmp_path / "a.jpg"), max_bytes=1) == tmp_path / "a.jpg"
    assert bytes_or_path(tmp_path / "a.jpg", max_bytes=1) == tmp_path / "a.jpg"


def test_an_opened_file_and_a_path_are_read(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    with (tmp_path / "a.jpg").open("rb") as file:
        assert photo_bytes(file, max_bytes=10_000_000) == PHOTO
    assert photo_bytes(tmp_path / "a.jpg", max_bytes=10_000_000) == PHOTO
    assert photo_bytes(PHOTO, max_bytes=1) == PHOTO


def test_of_a_file_that_is_too_large_one_byte_too_many_is_read(tmp_path: Path) -> None:
    endless = io.BytesIO(bytes(1_000_000))
    with pytest.raises(FileTooLarge, match="at most 0 MB, got more"):
        bytes_or_path(endless, max_bytes=1000)
    assert endless.tell() == 1001
    with pytest.raises(FileTooLarge) as refusal:
        bytes_or_path(io.BytesIO(bytes(1_500_001)), max_bytes=1_500_000)
    assert str(refusal.value) == "Expected at most 2 MB, got more. Send a smaller copy."
    (tmp_path / "video.jpg").write_bytes(bytes(2000))
    with pytest.raises(FileTooLarge):
        photo_bytes(tmp_path / "video.jpg", max_bytes=1000)


def test_a_file_that_can_t_be_read_is_an_error_of_petmood(tmp_path: Path) -> None:
    advice = r"Check the path and its permissions\.$"
    with pytest.raises(PhotoError, match=rf"^The photo can't be read \(Input/output error after 1001\)\. {advice}"):
        bytes_or_path(Failing(PHOTO), max_bytes=1000)
    with pytest.raises(PhotoError, match=rf"^missing\.jpg can't be read \(No such file or directory\)\. {advice}"):
        photo_bytes(tmp_path / "missing.jpg", max_bytes=1000)
    with pytest.raises(PhotoError, match=rf"^\. can't be read \(Is a directory\)\. {advice}"):
        photo_bytes("", max_bytes=1000)


@pytest.mark.parametrize(
    ("photo", "got"), [(7, "int"), (None, "NoneType"), ([PHOTO], "list")], ids=["number", "none", "list"]
)
def test_something_else_is_refused_with_what_is_expected(photo: object, got: str) -> None:
    with pytest.raises(TypeError) as refusal:
        bytes_or_path(photo, max_bytes=1000)  # type: ignore[arg-type] # what is refused
    assert str(refusal.value) == (
        f"Expected a photo's path, its bytes or a binary file, got {got}. "
        "For an array of pixels, encode it as PNG and pass those bytes."
    )


def test_a_file_of_text_is_refused() -> None:
    with pytest.raises(TypeError) as refusal:
        bytes_or_path(io.StringIO("text"), max_bytes=1000)  # type: ignore[arg-type] # what is refused
    assert str(refusal.value) == "Expected a file opened with 'rb', got one whose read() returns str."


# --- several ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("photo", ["a.jpg", Path("a.jpg"), PHOTO, io.BytesIO(PHOTO)], ids=type)
def test_one_photo_is_not_taken_for_several(photo: str | Path | bytes | io.BytesIO) -> None:
    expected = rf"^Expected several photos, such as a list of paths, got one: {type(photo).__name__}\.$"
    with pytest.raises(TypeError, match=expected):
        several_photos(photo)  # type: ignore[arg-type] # what is refused


def test_several_photos_are_taken_one_by_one() -> None:
    photos = several_photos(name for name in ("a.jpg", "b.jpg"))
    assert next(photos) == "a.jpg"
    assert list(photos) == ["b.jpg"]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_photos_below_a_folder_are_found_sorted_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "b.JPG", "a/z.png", "a/b/c.WebP", "c.jpeg", "notes.txt", "d.jpg.bak", "e")
    names = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert names == ["a/b/c.WebP", "a/z.png", "b.JPG", "c.jpeg"]


def test_hidden_files_and_folders_are_passed_over_unless_they_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "._a.jpg", ".cache/b.jpg", "in/.hidden/c.jpg")
    assert find_photos([tmp_path]) == [tmp_path / "a.jpg"]
    assert find_photos([tmp_path / "._a.jpg", tmp_path / ".cache"]) == [tmp_path / "._a.jpg", tmp_path / ".cache/b.jpg"]


def test_a_folder_that_is_named_like_a_photo_is_looked_into(tmp_path: Path) -> None:
    fill(tmp_path, "album.jpg/a.jpg")
    assert find_photos([tmp_path]) == [tmp_path / "album.jpg/a.jpg"]


def test_named_files_keep_their_order_and_need_no_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "z", "a.jpg", "folder/b.jpg")
    asked = [tmp_path / "z", tmp_path / "folder", tmp_path / "a.jpg"]
    assert find_photos(asked) == [tmp_path / "z", tmp_path / "folder/b.jpg", tmp_path / "a.jpg"]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    for asked in ([tmp_path / "none.jpg"], [tmp_path / "a.jpg", tmp_path / "none.jpg"]):
        with pytest.raises(DataError) as refusal:
            find_photos(asked)
        assert str(refusal.value) == f"No such photo or folder: {tmp_path}/none.jpg. Check the path."


def test_a_folder_without_photos_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    fill(tmp_path, "one/notes.txt")
    (tmp_path / "two\n").mkdir()
    with pytest.raises(DataError) as refusal:
        find_photos([tmp_path / "one", tmp_path / "two\n"])
    assert str(refusal.value) == (
        f"No photos in {tmp_path}/one, {tmp_path}/two\\n. Expected files with a suffix of .apng, .avif, .bmp, .dib, "
        ".gif, .heic, .heif, .hif, .jfi, .jfif, .jif, .jpe, .jpeg, .jpg, .mpo, .pjp, .pjpeg, .png, .tif, .tiff, .webp."
    )


def test_for_a_named_folder_without_photos_there_is_a_warning_if_others_have_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, "a.jpg")
    (tmp_path / "empty").mkdir()
    assert find_photos([tmp_path / "empty", tmp_path / "a.jpg"]) == [tmp_path / "a.jpg"]
    assert caplog.messages == [f"No photos in {tmp_path}/empty."]


def test_a_missing_path_counts_more_than_a_folder_without_photos(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as refusal:
        find_each_photo([tmp_path / "empty", tmp_path / "none"])
    assert str(refusal.value) == f"No such photo or folder: {tmp_path}/none. Check the path."


def test_a_named_folder_that_can_t_be_listed_is_a_problem_beside_the_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a.jpg", "closed/b.jpg")
    iterated = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return iterated(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    with pytest.raises(DataError) as refusal:
        photos_below(tmp_path / "closed")
    assert "Permission denied" in str(refusal.value)
    problem, photo = find_each_photo([tmp_path / "closed", tmp_path / "a.jpg"])
    assert (problem.path, str(problem.problem)) == (tmp_path / "closed", str(refusal.value))
    assert (photo.path, photo.problem) == (tmp_path / "a.jpg", None)


@pytest.mark.posix
def test_links_are_followed_and_for_what_cant_be_read_there_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "pool", "1.jpg", "2.jpg")
    root = tmp_path / "root"
    fill(root, "a.jpg", "@eaDir/a.jpg")
    (root / "more").symlink_to(tmp_path / "pool")
    (root / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "more")
    (root / "gone.jpg").symlink_to("nowhere")
    (root / "self").symlink_to("self")
    os.mkfifo(root / "pipe.jpg")
    names = [path.relative_to(root).as_posix() for path in find_photos([root])]
    assert names == ["a.jpg", "again/1.jpg", "again/2.jpg"]
    skipped = [message.split(" was skipped: ")[0] for message in caplog.messages]
    assert skipped == [f"{root}/{name}" for name in ("gone.jpg", "pipe.jpg", "self")]
    assert caplog.messages[1] == f"{root}/pipe.jpg was skipped: expected a file, got a named pipe."


@pytest.mark.parametrize("suffix", sorted(PHOTO_SUFFIXES))
def test_every_suffix_counts_in_any_case_and_is_on_the_page_of_data(suffix: str) -> None:
    assert is_photo_name(f"a/b{suffix}")
    assert is_photo_name(f"b.x{suffix.upper()}")
    assert not is_photo_name(f"b{suffix}.txt")
    assert f"`{suffix}`" in (ROOT / "docs/data.md").read_text("utf-8")


def test_what_has_no_photo_is_listed_beside_the_photos_of_the_others(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "b/c.jpg")
    (tmp_path / "empty").mkdir()
    asked = [tmp_path / name for name in ("none.jpg", "a.jpg", "empty", "b")]
    found = find_each_photo(asked)
    assert [one.path.name for one in found] == ["none.jpg", "a.jpg", "empty", "c.jpg"]
    assert [str(one.problem or "") for one in found] == [
        f"No such photo or folder: {tmp_path}/none.jpg. Check the path.",
        "",
        f"No photos in {tmp_path}/empty.",
        "",
    ]
    with pytest.raises(DataError, match=r"No such photo or folder: .*none\.jpg"):
        find_photos(asked)


def test_a_link_to_a_folder_is_followed_and_a_loop_ends(tmp_path: Path) -> None:
    fill(tmp_path, "pets/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "pets/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "pets")
    assert find_photos([tmp_path / "pets"]) == [tmp_path / "pets/a.jpg", tmp_path / "pets/more/b.jpg"]


def test_a_folder_that_can_t_be_listed_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.jpg", "closed/b.jpg")
    listed = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = find_each_photo([tmp_path])
    assert [one.path for one in found] == [tmp_path / "a.jpg", tmp_path / "closed"]
    assert "closed was skipped: expected a readable file or folder: Permission denied." in str(found[1].problem)


def test_a_path_that_stands_for_standard_input_is_a_photo() -> None:
    assert [one.problem for one in find_each_photo([Path("-")], also=Path("-"))] == [None]
    with pytest.raises(DataError):
        find_each_photo([Path("-")])

"""Tests of zip archives: those of other tools are unpacked, unsafe and damaged ones are refused with their entries."""

import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.core.progress import no_progress
from petmood.data.sources import archive as module
from petmood.data.sources.archive import unpack
from tests.support.progress import RecordedProgress

DATA = b"never decoded here"


def archive(folder: Path, *entries: str | zipfile.ZipInfo, data: bytes = DATA) -> Path:
    path = folder / "pets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for entry in entries:
            bundle.writestr(entry, data)
    return path


def unpacked(path: Path, to: Path) -> dict[str, bytes]:
    unpack(path, to=to, progress=no_progress)
    return {file.relative_to(to).as_posix(): file.read_bytes() for file in to.rglob("*") if file.is_file()}


def refusal(path: Path) -> str:
    """Return the one line of a refusal, after which nothing is there."""
    to = path.parent / "to"
    with pytest.raises(DataError) as caught:
        unpack(path, to=to, progress=no_progress)
    assert not any(file.is_file() for file in to.rglob("*"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_photos_alone_are_unpacked_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    path = archive(tmp_path, "happy/1.JPG", "happy/2.jfif", "happy/notes.txt", "happy/", "happy/album.jpg/")
    assert unpacked(path, tmp_path / "to") == {"happy/1.JPG": DATA, "happy/2.jfif": DATA}


def test_names_with_backslashes_are_paths(tmp_path: Path) -> None:
    path = archive(tmp_path, "pets\\happy\\1.jpg", "pets\\happy\\", "pets/sad\\2.jpg")
    assert set(unpacked(path, tmp_path / "to")) == {"pets/happy/1.jpg", "pets/sad/2.jpg"}


def test_a_colon_is_a_character_of_a_name_like_any_other(tmp_path: Path) -> None:
    names = {"happy/Screenshot 10:15:00.jpg", "sad: no/1.jpg"}
    assert set(unpacked(archive(tmp_path, *names), tmp_path / "to")) == names


@pytest.mark.parametrize(
    ("raw", "flag", "name"),
    [
        ("Glück/ß.jpg".encode(), 0x800, "Glück/ß.jpg"),
        ("Glück/ß.jpg".encode(), 0, "Glück/ß.jpg"),
        ("Glück/ß.jpg".encode("cp437"), 0, "Glück/ß.jpg"),
    ],
)
def test_names_are_read_with_and_without_the_flag_of_utf_8(tmp_path: Path, raw: bytes, flag: int, name: str) -> None:
    ascii_name = "x" * len(raw)
    data = archive(tmp_path, ascii_name).read_bytes().replace(ascii_name.encode(), raw)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        data = data[:at] + flag.to_bytes(2, "little") + data[at + 2 :]
    (tmp_path / "pets.zip").write_bytes(data)
    assert unpacked(tmp_path / "pets.zip", tmp_path / "to") == {name: DATA}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "a/../../evil.jpg",
        "/evil.jpg",
        "..\\evil.jpg",
        "C:evil.jpg",
        "c:\\evil.jpg",
        "\\\\host\\evil.jpg",
    ],
)
def test_an_entry_that_would_leave_the_folder_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    text = refusal(archive(tmp_path, "train/Angry/1.jpg", name))
    assert f"would leave the folder: '{name}'" in text
    assert not (tmp_path / "evil.jpg").exists()


def test_a_name_that_is_cut_by_a_nul_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, "happy/1.jpg0..exe")
    path.write_bytes(path.read_bytes().replace(b"1.jpg0..exe", b"1.jpg\0..exe"))
    assert "would leave the folder: 'happy/1.jpg\\x00..exe'" in refusal(path)


def test_every_refused_entry_is_listed_with_its_reason(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("happy/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    long = f"happy/{'x' * 256}.jpg"
    many = [f"../{k:02d}.jpg" for k in range(25)]
    text = refusal(archive(tmp_path, "happy/1.jpg", "/b.jpg", link, long, *many))
    assert "An entry would leave the folder: '../00.jpg', '../01.jpg'," in text
    assert "'../19.jpg' and 6 more" in text
    assert "An entry is a link: 'happy/link.jpg'" in text
    assert f"An entry has a name of more than 255 bytes: '{long}'" in text
    assert "happy/1.jpg" not in text


def test_an_encrypted_archive_is_one_line_with_its_entries_and_the_way_out(tmp_path: Path) -> None:
    data = archive(tmp_path, "happy/1.jpg").read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        data = data[:at] + b"\x01\0" + data[at + 2 :]
    (tmp_path / "pets.zip").write_bytes(data)
    text = refusal(tmp_path / "pets.zip")
    assert "An entry is encrypted: 'happy/1.jpg'" in text
    assert "password" in text


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [("MAX_ENTRIES", "3 entries"), ("MAX_BYTES", "in all, expected at most"), ("MAX_ENTRY_BYTES", "unpacks to more")],
)
def test_an_archive_over_its_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, sentence: str
) -> None:
    monkeypatch.setattr(module, limit, 2)
    assert sentence in refusal(archive(tmp_path, "a/1.jpg", "a/2.jpg", "a/3.jpg", data=bytes(10)))


def test_a_large_file_that_is_no_photo_is_not_unpacked_and_no_reason_to_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 20)
    path = archive(tmp_path, "happy/1.jpg")
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("model.h5", bytes(1000))
    assert set(unpacked(path, tmp_path / "to")) == {"happy/1.jpg"}


@pytest.mark.parametrize("declared", [100, 3_000_000])
def test_an_entry_that_unpacks_to_another_size_than_it_declares_is_refused(tmp_path: Path, declared: int) -> None:
    path = archive(tmp_path, "happy/1.jpg", data=bytes(2_000_000))
    data = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data = data[:at] + declared.to_bytes(4, "little") + data[at + 4 :]
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"complete zip archive, got 'pets.zip' in its entry happy/1\.jpg"):
        unpack(path, to=tmp_path / "to", progress=no_progress)
    assert sum(file.stat().st_size for file in (tmp_path / "to").rglob("*.jpg")) <= declared


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_equal_entries_of_one_name_are_one_and_different_ones_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, "happy/1.jpg", "happy\\1.jpg", "./happy/1.jpg")
    assert unpacked(path, tmp_path / "once") == {"happy/1.jpg": DATA}
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("happy/1.jpg", b"something else")
    assert "Two entries have one name and different content: 'happy/1.jpg'" in refusal(path)
    assert "'a.jpg'" in refusal(archive(tmp_path, "a.jpg", "a.jpg/b.jpg"))


def test_damage_at_any_place_is_one_line_or_unpacked(tmp_path: Path) -> None:
    whole = archive(tmp_path, *(f"happy/{k}.jpg" for k in range(3)), data=b"abc" * 400).read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:cut] for cut in rng.integers(0, len(whole), 60)]
    for _ in range(600):
        changed = np.frombuffer(whole, np.uint8).copy()
        changed[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        damaged.append(changed.tobytes())
    refusals = [text for number, data in enumerate(damaged) if (text := outcome(tmp_path, number, data))]
    assert len(refusals) > 200
    assert not any("\n" in text for text in refusals)


def outcome(folder: Path, number: int, data: bytes) -> str:
    """Unpack damaged bytes into a folder of their own; return the refusal, or nothing."""
    (folder / "damaged.zip").write_bytes(data)
    try:
        unpack(folder / "damaged.zip", to=folder / f"to{number}", progress=no_progress)
    except DataError as error:
        return str(error)
    return ""


def test_an_archive_in_an_archive_is_no_photo(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as bundle:
        bundle.writestr("happy/1.jpg", DATA)
    path = archive(tmp_path, "inner.zip", data=inner.getvalue())
    assert unpacked(path, tmp_path / "to") == {}


NEXT = "Unpack it with another tool (a password, if any, is asked for there), and import the folder."
AGAIN = "Download it again, or unpack it with another tool and import the folder."
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def patched(path: Path, *changes: tuple[bytes, int, bytes]) -> Path:
    """Overwrite bytes of an archive; each change is a signature, an offset behind its start, and the bytes."""
    data = bytearray(path.read_bytes())
    for signature, offset, content in changes:
        at = data.index(signature) + offset
        data[at : at + len(content)] = content
    path.write_bytes(data)
    return path


def declared(path: Path, size: int) -> Path:
    """Let the first entry declare another size than it has."""
    return patched(path, *((kind, at, size.to_bytes(4, "little")) for kind, at in ((LOCAL, 22), (CENTRAL, 24))))


def test_unpacking_is_shown_photo_by_photo(tmp_path: Path) -> None:
    progress = RecordedProgress()
    unpack(archive(tmp_path, "a/1.jpg", "a/2.jpg", "x.txt"), to=tmp_path / "to", progress=progress)
    assert progress.loops == [(2, "unpacking")]


def test_a_refusal_names_every_reason_and_entry_and_the_next_step(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("b/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    long = f"b/{'ß' * 126}.jpg"
    text = refusal(archive(tmp_path, "/b\u2028.jpg", link, "../a.jpg", long, *(f"/{k:02d}" for k in range(18))))
    outside = ", ".join(["'../a.jpg'", *(f"'/{k:02d}'" for k in range(18)), "'/b\\u2028.jpg'"])
    assert text == (
        f"'pets.zip' is refused, and nothing was unpacked. An entry would leave the folder: {outside}; "
        f"An entry is a link: 'b/link.jpg'; An entry has a name of more than 255 bytes: '{long}'. {NEXT}"
    )


def test_names_and_sizes_at_their_limits_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"b/{'x' * 251}.jpg", "a.jpg"}
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    monkeypatch.setattr(module, "MAX_BYTES", 2 * len(DATA))
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", len(DATA))
    assert set(unpacked(archive(tmp_path, *names), tmp_path / "to")) == names


def test_what_no_photo_may_be_other_files_may(tmp_path: Path) -> None:
    path = archive(tmp_path, f"{'x' * 256}.txt", "a.jpg")
    patched(path, *((kind, at, b"\x01\0") for kind, at in ((LOCAL, 6), (CENTRAL, 8))))
    assert set(unpacked(path, tmp_path / "to")) == {"a.jpg"}


def test_limits_of_an_archive_are_told_in_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 3_000_000_000)
    monkeypatch.setattr(module, "MAX_BYTES", 2_000_000_000)
    assert refusal(declared(archive(tmp_path, "a.jpg"), 2_500_000_000)) == (
        "'pets.zip' is refused: 1 entry, with photos of 2.5 GB in all, expected at most 100000 of 2 GB. " + NEXT
    )
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    assert refusal(archive(tmp_path, "a.jpg", "b.txt")) == (
        "'pets.zip' is refused: 2 entries, with photos of 0.0 GB in all, expected at most 1 of 2 GB. " + NEXT
    )
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 10)
    assert refusal(archive(tmp_path, "a.jpg")) == (
        "'pets.zip' is refused, and nothing was unpacked. An entry unpacks to more than 10 bytes: 'a.jpg'. " + NEXT
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_clash_of_names_is_one_line(tmp_path: Path) -> None:
    path = archive(tmp_path, "a.jpg", "b.jpg", "b.jpg/c.jpg")
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("a.jpg", b"x" * len(DATA))
    assert refusal(path) == (
        "'pets.zip' is refused, and nothing was unpacked. Two entries have one name and different content: "
        f"'a.jpg', 'b.jpg'. {NEXT}"
    )


def damage(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        unpack(path, to=path.parent / "to", progress=no_progress)
    return str(caught.value)


def test_damage_is_named_with_its_entry_and_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(b"text")
    assert damage(tmp_path / "pets.zip") == (
        f"Expected a complete zip archive, got 'pets.zip': File is not a zip file. {AGAIN}"
    )
    path = declared(archive(tmp_path, "happy/1.jpg", data=bytes(2_000_000)), 3_000_000)
    assert damage(path) == (
        "Expected a complete zip archive, got 'pets.zip' in its entry happy/1.jpg: expected 3000000 bytes, as it "
        f"declares, got another number. {AGAIN}"
    )


def test_a_block_that_ends_with_the_entry_is_checked_too(tmp_path: Path) -> None:
    """The checksum is compared after the last byte: one more read is needed if that is the end of a block."""
    path = archive(tmp_path, "a\u2028.jpg", data=bytes(1 << 20))
    patched(path, (LOCAL, 14, b"abcd"), (CENTRAL, 16, b"abcd"))
    assert damage(path) == (
        "Expected a complete zip archive, got 'pets.zip' in its entry a\\u2028.jpg: Bad CRC-32 for file "
        f"'a\\u2028.jpg'. {AGAIN}"
    )


def test_an_offset_before_the_start_of_the_file_is_damage_and_other_errors_of_the_system_are_none(
    tmp_path: Path,
) -> None:
    path = archive(tmp_path, "a.jpg")
    unpack(path, to=tmp_path / "to", progress=no_progress)
    with pytest.raises(FileExistsError):
        unpack(path, to=tmp_path / "to", progress=no_progress)
    data = path.read_bytes()
    at = data.index(END) + 16
    offset = int.from_bytes(data[at : at + 4], "little")
    patched(path, (END, 16, (offset + 10).to_bytes(4, "little")))
    assert damage(path) == (
        f"Expected a complete zip archive, got 'pets.zip' in its entry a.jpg: an offset outside of the file. {AGAIN}"
    )


def test_an_entry_that_declares_no_bytes_is_checked_as_well(tmp_path: Path) -> None:
    assert damage(declared(archive(tmp_path, "a.jpg"), 0)) == (
        "Expected a complete zip archive, got 'pets.zip' in its entry a.jpg: Bad CRC-32 for file 'a.jpg'. " + AGAIN
    )

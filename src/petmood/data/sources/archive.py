"""Zip archives of photos from any tool, unpacked into a folder after every entry was checked."""

import contextlib
import errno
import lzma
import re
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from petmood.core.errors import DataError
from petmood.core.names import printable
from petmood.core.photo_source import is_photo_name
from petmood.core.progress import ProgressBar
from petmood.data.wording import counted

__all__ = ["unpack"]

MAX_ENTRIES = 100_000
MAX_BYTES = 4_000_000_000
MAX_ENTRY_BYTES = 100_000_000
MAX_NAME_BYTES = 255

_BLOCK_BYTES = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_ENCRYPTED = 0x1
_UTF_8 = 0x800
_NAMED = 20
_NEXT = "Unpack it with another tool (a password, if any, is asked for there), and import the folder."


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry: its record in zipfile, and its POSIX name; folders end with a slash."""

    info: zipfile.ZipInfo
    name: str

    @property
    def is_photo(self) -> bool:
        return is_photo_name(self.name) and not self.name.endswith("/")


def unpack(archive: Path, *, to: Path, progress: ProgressBar) -> None:
    """Unpack the photos of a zip archive into a folder; every entry is checked before anything is written.

    Names with backslashes (PowerShell 5) are paths; names without the UTF-8 flag are UTF-8 where they can be, else
    code page 437. Raises DataError, with the entries concerned, for entries outside the folder, links, encrypted
    entries, two photos of one name, and entries over the limits (`MAX_ENTRIES`, `MAX_BYTES`, `MAX_ENTRY_BYTES`). Raises
    it also for a file that isn't a complete zip archive.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            entries = [_Entry(info, _name(info)) for info in bundle.infolist()]
            _check_archive(entries, archive=archive.name)
            photos = _without_repeats(entries, archive=archive.name)
            for entry in progress(photos, total=len(photos), what="unpacking"):
                _write(bundle, entry, to=to, archive=archive.name)
    except _DAMAGE as error:
        raise _incomplete(archive.name, str(error)) from error


def _name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name as its tool meant it (APPNOTE.TXT 4.4.17); zipfile itself cuts it at a NUL."""
    name = info.orig_filename
    if not info.flag_bits & _UTF_8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _check_archive(entries: Sequence[_Entry], *, archive: str) -> None:
    refused: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if reason := _refusal(entry):
            refused[reason].append(entry.info.orig_filename)
    if refused:
        reasons = "; ".join(f"{reason}: {_some(names)}" for reason, names in refused.items())
        raise DataError(f"'{archive}' is refused, and nothing was unpacked. {reasons}. {_NEXT}")
    photos = [entry for entry in entries if entry.is_photo]
    total = sum(entry.info.file_size for entry in photos)
    if len(entries) > MAX_ENTRIES or total > MAX_BYTES:
        raise DataError(
            f"'{archive}' is refused: {counted(len(entries), 'entry', 'entries')}, with photos of {total / 1e9:.1f} GB "
            f"in all, expected at most {MAX_ENTRIES} of {MAX_BYTES / 1e9:.0f} GB. {_NEXT}"
        )


def _refusal(entry: _Entry) -> str:
    """Return why an entry is refused; empty if it isn't."""
    parts, info = PurePosixPath(entry.name).parts, entry.info
    leaves = entry.name.startswith("/") or ".." in parts or _DRIVE.match(entry.name) or "\0" in entry.name
    is_long = any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in parts)
    reasons = {
        "An entry would leave the folder": leaves,
        "An entry is a link": stat.S_ISLNK(info.external_attr >> 16),
        "An entry is encrypted": entry.is_photo and info.flag_bits & _ENCRYPTED,
        f"An entry unpacks to more than {MAX_ENTRY_BYTES:,} bytes": entry.is_photo and info.file_size > MAX_ENTRY_BYTES,
        f"An entry has a name of more than {MAX_NAME_BYTES} bytes": entry.is_photo and is_long,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _without_repeats(entries: Sequence[_Entry], *, archive: str) -> list[_Entry]:
    """Return the photos, each name once; equal entries are one, and different ones of a name are refused."""
    first: dict[str, _Entry] = {}
    folders: set[str] = set()
    clashing: list[str] = []
    for entry in (entry for entry in entries if entry.is_photo):
        path = PurePosixPath(entry.name)
        folders.update(str(parent) for parent in path.parents)
        earlier = first.setdefault(str(path), entry).info
        if (earlier.CRC, earlier.file_size) != (entry.info.CRC, entry.info.file_size):
            clashing.append(entry.name)
    clashing += [name for name in first if name in folders]
    if clashing:
        raise DataError(
            f"'{archive}' is refused, and nothing was unpacked. Two entries have one name and different content: "
            f"{_some(clashing)}. {_NEXT}"
        )
    return list(first.values())


def _write(bundle: zipfile.ZipFile, entry: _Entry, *, to: Path, archive: str) -> None:
    """Unpack one photo; what it really unpacks to is bounded by what the archive declares, block by block."""
    target = to / PurePosixPath(entry.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.info.file_size
    try:
        with bundle.open(entry.info) as stream, target.open("xb") as file:
            while left >= 0 and (block := stream.read(_BLOCK_BYTES)):
                file.write(block)
                left -= len(block)
    except _DAMAGE as error:
        raise _incomplete(archive, str(error), entry=entry.name) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # zipfile seeks where a damaged archive says: before its start
            raise
        raise _incomplete(archive, "an offset outside of the file", entry=entry.name) from error
    if left:
        size = f"expected {entry.info.file_size} bytes, as it declares, got another number"
        raise _incomplete(archive, size, entry=entry.name)


def _incomplete(archive: str, reason: str, *, entry: str = "") -> DataError:
    where = f" in its entry {printable(entry)}" if entry else ""
    return DataError(
        f"Expected a complete zip archive, got '{archive}'{where}: {printable(reason)}. Download it again, or unpack "
        "it with another tool and import the folder."
    )


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(f"'{printable(name)}'" for name in found[:_NAMED]) + more

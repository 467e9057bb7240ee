"""Atomic, locked and durable writes of folders.

A folder is written under a hidden name beside its target and then renamed. A reader sees either the old folder or the
new one. One process at a time writes a target; a second one fails before it does any work. The caller checks an
existing folder: it rejects the target, or lists the files to carry over.
"""

import filecmp
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from petmood.core.errors import OutputError
from petmood.core.files import flush_folder
from petmood.core.locks import exclusive_lock
from petmood.core.output_paths import resolve_folder
from petmood.core.partials import partial_name, target_of

__all__ = [
    "DirectoryDraft",
    "Existing",
    "atomic_directory",
    "files_below",
    "is_system_file",
    "name_some",
    "refuse_existing",
]

Existing = Callable[[Path], Iterable[str]]
"""Checks the existing target: raises if it must not be replaced, otherwise returns the files to carry over."""

SYSTEM_FILES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".directory"})
NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class DirectoryDraft:
    """A folder being written: its hidden path, and the names of the files that must exist before the rename."""

    path: Path
    expected: set[str] = field(default_factory=set)

    def expect(self, names: Iterable[str]) -> None:
        """Record files that were written, relative to the folder; the target is not replaced if one is missing."""
        self.expected.update(names)


def refuse_existing(target: Path) -> Iterable[str]:
    """Reject a target that contains anything except files of the operating system.

    Raises:
        OutputError: the target is a file or a folder that is not empty.
    """
    if target.exists() and not (target.is_dir() and all(is_system_file(path.name) for path in target.iterdir())):
        raise OutputError(f"Expected {target} to be new or an empty folder. Choose another folder.")
    return ()


@contextmanager
def atomic_directory(target: Path, *, existing: Existing = refuse_existing) -> Iterator[DirectoryDraft]:
    """Yield an empty folder that replaces ``target`` when the block ends without an error.

    If the target is a symbolic link, the folder that it points to is replaced. ``existing`` is called before the block
    and again before the renames. After an error ``target`` is unchanged. After a kill the next writer of the same
    target restores the old folder if it is missing, and removes stale files. If the file system has no locks, nothing
    is removed, since the files may belong to a running process.

    Raises:
        OutputLocked: another process is writing this target; nothing was done.
        OutputError: the target can't be replaced, or an expected file is missing; the old folder is kept.
    """
    resolved = resolve_folder(target)
    resolved.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(resolved, shown=target) as locked:
        _put_back_or_clear(retired := resolved.with_name(f".{resolved.name}.retired"), resolved)
        if locked:
            _clear_leftovers(resolved)
        list(existing(resolved))
        draft = DirectoryDraft(resolved.parent / partial_name(resolved.name))
        draft.path.mkdir()
        made = draft.path.stat()
        try:
            yield draft
            _carry_over(existing(resolved), resolved, draft.path)
            _refuse_incomplete(draft, made, shown=target)
            _flush_tree(draft.path)
            _publish(draft.path, resolved, retired, existing=existing)
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise


def files_below(folder: Path) -> Iterator[str]:
    """Yield the POSIX path of every file below a folder, relative to it; links are listed but not followed.

    An empty folder is listed too, with a trailing slash.
    """
    for path, folders, files in os.walk(folder, onerror=_raise):
        here = Path(path)
        links = [name for name in folders if (here / name).is_symlink()]
        yield from ((here / name).relative_to(folder).as_posix() for name in (*files, *links))
        if here != folder and not folders and not files:
            yield f"{here.relative_to(folder).as_posix()}/"


def is_system_file(name: str) -> bool:
    """Return whether file managers create files of this name, such as ``.DS_Store``."""
    return name.casefold() in SYSTEM_FILES


def name_some(names: Iterable[str], *, shown: int = NAMED) -> str:
    """Return the first few names, sorted, and the number of the others."""
    found = sorted(names)
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return ", ".join(found[:shown]) + more


def _put_back_or_clear(retired: Path, resolved: Path) -> None:
    """Recover from a killed writer: restore the old folder, or remove it if the new one was published."""
    if os.path.lexists(retired):
        if not os.path.lexists(resolved):
            retired.rename(resolved)
        elif retired.is_symlink():  # left by petmood 0.1.0, which treated links as folders
            retired.unlink()
        else:
            shutil.rmtree(retired, ignore_errors=True)
    if resolved.is_symlink():
        raise OutputError(
            f"{resolved} was replaced by a link in the meantime. Try again to write to the link's target."
        )


def _clear_leftovers(resolved: Path) -> None:
    """Remove partial folders of exactly this target; the lock is held, so their writers are no longer running."""
    for path in resolved.parent.iterdir():
        if target_of(path.name) == resolved.name and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _carry_over(names: Iterable[str], old: Path, new: Path) -> None:
    """Carry the user's own files from the old folder into the new one, as hard links if possible."""
    for name in names:
        source, target = old / name, new / name
        if name.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            continue
        if os.path.lexists(target):
            if not _is_same(source, target):
                raise OutputError(
                    f"{source} was not written by petmood and would be overwritten. Move it to another folder."
                )
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:  # a file system without hard links
            shutil.copy2(source, target, follow_symlinks=False)


def _is_same(first: Path, second: Path) -> bool:
    """Return whether two paths are one file, files with the same bytes, or links with the same text."""
    if first.is_symlink() or second.is_symlink():
        return first.is_symlink() and second.is_symlink() and first.readlink() == second.readlink()
    return first.samefile(second) or filecmp.cmp(first, second, shallow=False)


def _refuse_incomplete(draft: DirectoryDraft, made: os.stat_result, *, shown: Path) -> None:
    advice = f"{shown} was not changed; try again."
    if not draft.path.is_dir() or not os.path.samestat(draft.path.stat(), made):
        raise OutputError(f"{draft.path.name} was removed while it was being written. {advice}")
    if missing := draft.expected.difference(files_below(draft.path)):
        raise OutputError(
            f"Expected {len(draft.expected)} files, {len(missing)} are missing: {name_some(missing)}. {advice}"
        )


def _publish(partial: Path, resolved: Path, retired: Path, *, existing: Existing) -> None:
    """Move the old folder aside and rename the new one to the target; restore the old one if that fails.

    Files that came into the old folder until it was moved are checked and carried over too.
    """
    try:
        if resolved.exists():
            resolved.rename(retired)
            _carry_over(existing(retired), retired, partial)
        partial.rename(resolved)
    except BaseException:
        if retired.exists() and not os.path.lexists(resolved):
            retired.rename(resolved)
        raise
    flush_folder(resolved.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _flush_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            flush_folder(path)
    flush_folder(folder)


def _raise(error: OSError) -> None:
    raise error

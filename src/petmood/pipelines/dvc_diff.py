"""Comparison of datasets whose DVC pointers changed since a commit: git lists the pointers, DVC pulls both versions.

Pointer contents are untrusted: names are passed to git and DVC as single arguments after ``--``, and a pointer may
only name the folder beside it.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from petmood.core.commands import shell_command
from petmood.core.errors import DataError, MissingDependency
from petmood.core.files import atomic_write_bytes, atomic_write_text
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import INDEX_NAME
from petmood.data.validation.diff_rules import DatasetDiffReport, DiffLimits, check_diff
from petmood.reports.dataset_diff import write_dataset_diff
from petmood.reports.dataset_diff_markdown import dataset_diff_markdown

__all__ = ["Pointer", "changed_pointers", "report_pointers"]

OLD_VERSION: Final = "last-version-"
"""Prefix of the temporary folder in the repository into which the previous version of a dataset is pulled."""
NOTHING: Final = "No `.dvc` pointer of a dataset has changed.\n"
NO_COMMIT: Final = "0" * 40
"""The commit that GitHub reports before the first commit of a branch."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A changed ``.dvc`` file, relative to the repository, and its previous content; None for a new one."""

    path: PurePosixPath
    old: bytes | None

    @property
    def folder(self) -> PurePosixPath:
        """Return the folder of the dataset that it points to."""
        return self.path.with_suffix("")


def changed_pointers(repository: Path, *, since: str) -> tuple[Pointer, ...]:
    """Return the pointers that differ from a commit, sorted; deleted pointers are not included.

    Raises:
        DataError: no repository, no such commit, or a pointer that names anything but the folder beside it.
    """
    if not any((parent / ".git").exists() for parent in (repository.absolute(), *repository.absolute().parents)):
        raise DataError(f"--since needs a Git repository, and {repository.absolute()} is in none. Change the folder.")
    if since == NO_COMMIT:
        names = _git(repository, "ls-files", "-z", "--", "*.dvc")
        commit = ""
    else:
        commit = _git(
            repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}"
        ).decode()
        commit = commit.strip()
        names = _git(repository, "diff", "--name-only", "--diff-filter=d", "--no-renames", "-z", commit, "--", "*.dvc")
    found = []
    for name in sorted(filter(None, names.decode().split("\0"))):
        path = PurePosixPath(name)
        _refuse_foreign(path, (repository / path).read_bytes())
        found.append(Pointer(path, _content(repository, commit, path)))
    return tuple(found)


def report_pointers(
    repository: Path,
    *,
    since: str,
    to: Path,
    limits: DiffLimits | None = None,
    on_report: Callable[[DatasetDiffReport], object] = lambda _: None,
    progress: ProgressBar = no_progress,
) -> tuple[DatasetDiffReport, ...]:
    """Pull and compare both versions of every changed dataset; write a report for each and a comment for all.

    ``on_report`` gets each comparison before its report is written. Pointers to anything but a dataset, such as a
    single file, are skipped.

    Raises:
        DataError: as ``changed_pointers``, or DVC can't pull a version.
    """
    found = []
    for pointer in changed_pointers(repository, since=since):
        _dvc(repository, "pull", "--", str(pointer.path))
        folder = repository / pointer.folder
        if not (folder / INDEX_NAME).is_file():
            continue
        with _old_version(repository, pointer) as old:
            report = check_diff(folder, against=old, limits=limits, progress=progress)
            on_report(report)
            write_dataset_diff(report, folder, against=old, to=to / pointer.folder)
        found.append(report)
    atomic_write_text(to / "report.md", "\n".join(map(dataset_diff_markdown, found)) or NOTHING)
    return tuple(found)


@contextmanager
def _old_version(repository: Path, pointer: Pointer) -> Iterator[Path | None]:
    """Yield the previous version of a dataset in a temporary folder; None if there is none."""
    if pointer.old is None:
        yield None
        return
    _refuse_foreign(pointer.path, pointer.old)
    with TemporaryDirectory(dir=repository, prefix=OLD_VERSION) as name:
        pointed = Path(name) / pointer.path.name
        atomic_write_bytes(pointed, pointer.old)
        _dvc(repository, "pull", "--", str(pointed.relative_to(repository)))
        yield pointed.with_suffix("")


def _content(repository: Path, commit: str, path: PurePosixPath) -> bytes | None:
    """Return the content of a file in a commit; None if it did not exist."""
    if not commit or not _git(repository, "ls-tree", "-z", commit, "--", str(path)):
        return None
    return _git(repository, "cat-file", "blob", f"{commit}:{path}")


def _refuse_foreign(path: PurePosixPath, content: bytes) -> None:
    """Reject a pointer that would let DVC write anywhere but into the folder beside it."""
    try:
        said = yaml.safe_load(content)
        (out,) = said["outs"]
        named = out["path"]
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path} can't be read as a pointer of `dvc add`. Add the dataset again.") from error
    if named != path.stem or "wdir" in said or "deps" in said or "cmd" in said:
        command = shell_command("add", path.stem, program="dvc")
        raise DataError(f"{path} should point to {path.stem!r} beside it only. Use: {command}")


def _git(repository: Path, *words: str) -> bytes:
    return _run(repository, ["git", *words], what=f"git {words[0]}")


def _dvc(repository: Path, *words: str) -> None:
    if find_spec("dvc") is None:
        command = shell_command("install", "petmood[dvc]", program="pip")
        raise MissingDependency(f"'dvc' is not installed. Install it with: {command}")
    _run(repository, [sys.executable, "-m", "dvc", words[0], "--quiet", *words[1:]], what=f"dvc {words[0]}")


def _run(repository: Path, words: Sequence[str], *, what: str) -> bytes:
    try:
        return subprocess.run(words, cwd=repository, capture_output=True, check=True).stdout  # noqa: S603 - no shell, names behind `--`
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(f"{what} ended with {error.returncode}: {said[0] if said else 'no such commit'}.") from error

"""Changed DVC pointers: detection with git, both versions from DVC, and rejection of hostile pointers."""

import subprocess
import sys
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.pipelines.dvc_diff import changed_pointers, report_pointers
from tests.support.small_sets import write_small_set

POINTER = "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  nfiles: 1\n  hash: md5\n  path: {path}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty repository, with git's and DVC's own settings out of the way."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "nothing.txt", "nothing")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    commit_all(folder)


def commit_all(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")


def dvc(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "dvc", words[0], "--quiet", *words[1:]]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_new_and_changed_pointers_are_found_and_others_are_not(repository: Path) -> None:
    commit(repository, "data/old.dvc", POINTER.format(path="old"))
    commit(repository, "data/gone.dvc", POINTER.format(path="gone"))
    commit(repository, "data/same.dvc", POINTER.format(path="same"))
    before = (repository / "data/old.dvc").read_bytes()
    git(repository, "tag", "v1")
    (repository / "data/gone.dvc").unlink()
    commit(repository, "data/old.dvc", POINTER.format(path="old").replace("0123", "4567", 1))
    commit(repository, "more/a name `x` \u202e.dvc", POINTER.format(path='"a name `x` \\u202e"'))
    found = changed_pointers(repository, since="v1")
    assert [(str(one.folder), one.old) for one in found] == [("data/old", before), ("more/a name `x` \u202e", None)]
    assert changed_pointers(repository, since="HEAD") == ()


def test_without_a_commit_before_every_pointer_is_new(repository: Path) -> None:
    commit(repository, "data/pets.dvc", POINTER.format(path="pets"))
    (one,) = changed_pointers(repository, since="0" * 40)
    assert (str(one.path), one.old) == ("data/pets.dvc", None)


@pytest.mark.parametrize("since", ["nowhere", "--help", "--output=pwned", "$(touch pwned)", "", "main\nmain"])
def test_what_is_no_commit_is_refused_and_runs_nothing(repository: Path, since: str) -> None:
    with pytest.raises(DataError, match="git rev-parse ended with"):
        changed_pointers(repository, since=since)
    assert not (repository / "pwned").exists()


@pytest.mark.parametrize(
    "text",
    [
        POINTER.format(path="../../elsewhere"),
        POINTER.format(path="/elsewhere"),
        POINTER.format(path="other"),
        POINTER.format(path="pets") + "wdir: ../..\n",
        POINTER.format(path="pets") + "cmd: touch pwned\n",
        POINTER.format(path="pets") + "deps:\n- path: https://example.org/x\n",
        "!!python/object/apply:os.system ['touch pwned']",
        "outs: []",
        "[",
        "",
    ],
)
def test_a_pointer_to_anything_but_the_folder_beside_it_is_refused(repository: Path, text: str) -> None:
    commit(repository, "data/pets.dvc", text)
    with pytest.raises(DataError, match=r"data/pets\.dvc"):
        changed_pointers(repository, since="HEAD~1")
    assert not (repository / "pwned").exists()


def test_both_versions_are_brought_and_compared_and_nothing_is_left_behind(repository: Path, tmp_path: Path) -> None:
    dvc(repository, "init")
    dvc(repository, "remote", "add", "--default", "here", str(tmp_path / "remote"))
    commit_all(repository)
    for tag, test in (("v1", 16), ("v2", 20)):
        write_small_set(repository / "data/pets", test=test)
        (repository / "data/list.txt").write_text(tag)
        dvc(repository, "add", "data/pets", "data/list.txt")
        dvc(repository, "push")
        commit_all(repository)
        git(repository, "tag", tag)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    (report,) = report_pointers(clone, since="v1", to=clone / "out")
    assert report.old is not None
    assert not report.has_violations
    assert (clone / "out/data/pets/report.html").is_file()
    assert (clone / "out/report.md").read_text("utf-8") == (clone / "out/data/pets/report.md").read_text("utf-8")
    assert sorted(path.name for path in clone.iterdir() if path.name.startswith("last")) == []

    assert report_pointers(clone, since="v2", to=clone / "out") == ()
    assert "No `.dvc` pointer" in (clone / "out/report.md").read_text("utf-8")


def test_a_version_that_dvc_cannot_bring_is_said(repository: Path, tmp_path: Path) -> None:
    dvc(repository, "init")
    dvc(repository, "remote", "add", "--default", "here", str(tmp_path / "remote"))
    commit(repository, "data/pets.dvc", POINTER.format(path="pets"))
    with pytest.raises(DataError, match="dvc pull ended with 1"):
        report_pointers(repository, since="HEAD~1", to=tmp_path / "out")

"""Code version of a run, with and without a git checkout."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import petmood
from petmood.training import provenance
from petmood.training.provenance import code_version, package_versions


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a package's first file, which stands for petmood's."""
    first = tmp_path / "__init__.py"
    first.write_text("")
    fake = SimpleNamespace(__file__=str(first), __version__=petmood.__version__)
    monkeypatch.setattr(provenance, "petmood", fake)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def test_outside_of_a_checkout_it_is_the_package_version(checkout: Path) -> None:
    assert checkout.is_dir()
    assert code_version() == petmood.__version__


def test_in_a_checkout_the_commit_and_unsaved_changes_are_named(checkout: Path) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", "__init__.py")
    git(checkout, "commit", "-qm", "first")
    commit = git(checkout, "rev-parse", "--short", "HEAD")
    assert code_version() == f"{petmood.__version__}+g{commit}"
    (checkout / "__init__.py").write_text("# changed\n")
    assert code_version() == f"{petmood.__version__}+g{commit}-dirty"


def test_a_package_that_lies_untracked_in_somebodys_checkout_is_not_of_that_commit(checkout: Path) -> None:
    git(checkout, "init", "-q")
    (checkout / "other").write_text("x")
    git(checkout, "add", "other")
    git(checkout, "commit", "-qm", "not ours")
    assert code_version() == petmood.__version__


def test_the_versions_that_numbers_depend_on_are_named_and_missing_ones_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "not-installed-here"))
    assert set(package_versions()) == {"python", "numpy"}

"""Repositories of photos for end-to-end tests: folders with git and DVC, driven by the real programs."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from petmood.data.index import read_index
from tests.support.e2e_servers import PROGRAMS, server_environment
from tests.support.source_tree import ROOT, tracked

IDENTITY = {
    f"GIT_{role}_{what}": text
    for role in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "A. Tester"), ("EMAIL", "tester@example.org"))
}


def environment(home: Path) -> dict[str, str]:
    """Return an environment of nobody: petmood and DVC first on the path, and every default place in a folder."""
    env = server_environment(home)
    own = {
        "PATH": f"{PROGRAMS}:{env['PATH']}",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc"),
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }
    kept = {name: value for name, value in env.items() if not name.startswith(("GIT_", "DVC_", "AWS_", "GITHUB_"))}
    return kept | own | IDENTITY


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder and the environment in which programs run in it."""

    folder: Path
    env: Mapping[str, str] = field(repr=False)

    def run(self, *words: str | Path, code: int | None = 0, env: Mapping[str, str] | None = None) -> str:
        """Run a program and return all that it said; another exit code than ``code`` fails the test."""
        command = [str(word) for word in words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1800,
        )
        assert code is None or done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def commit(self, message: str, *, tag: str = "") -> None:
        """Commit whatever is there, and tag it."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)
        if tag:
            self.run("git", "tag", tag)

    def clone(self, folder: Path, *, at: str = "HEAD") -> "Repository":
        """Clone what is committed, with a DVC cache and a state of its own."""
        self.run("git", "clone", "--quiet", self.folder, folder)
        home = folder.with_name(f"{folder.name}-home")
        home.mkdir()
        own = {"DVC_SITE_CACHE_DIR": str(home / "site"), "HOME": str(home)}
        cloned = Repository(folder, {**self.env, **own})
        cloned.run("git", "checkout", "--quiet", "--detach", at)
        return cloned


def new_repository(folder: Path) -> Repository:
    """Make a repository that holds petmood's own DVC settings and ignores, and nothing else."""
    return _started(folder, [ROOT / name for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore")])


def new_project(folder: Path) -> Repository:
    """Make a repository that holds all of petmood, as it would be committed now."""
    return _started(folder, list(tracked()))


def _started(folder: Path, files: list[Path]) -> Repository:
    for path in files:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    made = Repository(folder, environment(folder.with_name(f"{folder.name}-home")))
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.commit("Begin")
    return made


def parse_photos(data: Path) -> dict[str, str]:
    """Return the SHA-256 of every photo that the index names, read from the disk now."""
    return {row.path: hashlib.sha256((data / row.path).read_bytes()).hexdigest() for row in read_index(data)}

"""Restoration of every data version by hash, from a folder, GCS and S3, with real clients."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from petmood.data.index import read_index
from tests.support.remotes import KINDS, Remote, opened
from tests.support.repositories import Repository, new_repository, parse_photos
from tests.support.small_sets import SMALL
from tests.support.trees import bring_in, photo_bytes, put, tree

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

MANY = 300
MIDWAY = 100
KILLED_PUSH = """
import os, re, signal, sys
from dvc.cli import main

OBJECT = re.compile(r"[.]dvc/cache/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
opened = set()

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)) and OBJECT.search(os.fspath(arguments[0])):
        opened.add(os.fspath(arguments[0]))
        if len(opened) > int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
sys.exit(main(["push", "--quiet", "--jobs", "1"]))
"""
"""Push with one upload at a time, and be killed when the file after so many is opened to be sent."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of place in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def remote(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """Open a place for data versions."""
    with opened(kind, tmp_path_factory.mktemp("remote"), prefix="versions") as place:
        yield place


@dataclass(frozen=True, slots=True)
class Versions:
    """A repository whose versions v1 and v2 were pushed, and what each holds."""

    repository: Repository
    photos: dict[str, dict[str, str]]
    hashes: dict[str, str]


@pytest.fixture(scope="module")
def versions(remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Import, add, tag and push two versions: the second has two photos more, one fewer, and one with another label."""
    place = tmp_path_factory.mktemp("versions")
    repository = remote.given_to(new_repository(place / "origin"))
    source, data = tree(place / "photos", each=16), repository.folder / "data/pets"
    photos, hashes = {}, {}
    for tag in ("v1", "v2"):
        if tag == "v2":
            put(source, "happy/new.png", photo_bytes(900))
            put(source, "sad/new.png", photo_bytes(901))
            (source / "angry/0.png").unlink()
            (source / "other/1.png").rename(source / "sad/was-other.png")
        bring_in(source, to=data)
        put(data, ".cache/something.npy", b"not a part of a version")
        put(data, "check.html", b"nor is this")
        repository.run("dvc", "add", "--quiet", "data/pets")
        repository.commit(tag, tag=tag)
        repository.run("dvc", "push", "--quiet")
        photos[tag], hashes[tag] = parse_photos(data), read_index(data).hash
    return Versions(repository, photos, hashes)


@pytest.mark.parametrize("tag", ["v1", "v2"])
def test_a_fresh_clone_pulls_a_version_hash_by_hash(versions: Versions, tag: str, tmp_path: Path) -> None:
    assert versions.hashes["v1"] != versions.hashes["v2"]
    clone = versions.repository.clone(tmp_path / "clone", at=tag)
    assert not (clone.folder / "data/pets").exists()
    clone.run("dvc", "pull", "--quiet")
    pulled = clone.folder / "data/pets"
    index = read_index(pulled)
    assert index.hash == versions.hashes[tag]
    assert parse_photos(pulled) == versions.photos[tag]
    assert parse_photos(pulled) == {row.path: row.sha256 for row in index}
    assert not (pulled / ".cache").exists()
    assert not (pulled / "check.html").exists()
    assert "Verdict: valid" in clone.run("petmood", "data", "check", "data/pets")
    assert "up to date" in clone.run("dvc", "status"), "a check and its caches are no part of a version"


def test_one_clone_goes_from_version_to_version_and_back(versions: Versions, tmp_path: Path) -> None:
    clone = versions.repository.clone(tmp_path / "clone", at="v1")
    for tag in ("v1", "v2", "v1"):
        clone.run("git", "checkout", "--quiet", tag)
        clone.run("dvc", "pull", "--quiet")
        assert parse_photos(clone.folder / "data/pets") == versions.photos[tag]


def test_both_versions_are_kept_in_the_remote_and_what_they_share_is_kept_once(
    versions: Versions, remote: Remote
) -> None:
    """An object is named by the hash of its content; the lists of files of the two versions end with .dir."""
    there = remote.names()
    photos = set(versions.photos["v1"].values()) | set(versions.photos["v2"].values())
    assert sum(name.endswith(".dir") for name in there) == 2
    beside = 2 * len(("index.csv", "rejected.csv", "relations.csv", "shared_regions.json", "import.json"))
    assert len(photos) + 2 < len(there) <= len(photos) + 2 + beside


def test_a_run_that_asks_for_version_1_refuses_version_2(versions: Versions, tmp_path: Path) -> None:
    clone = versions.repository.clone(tmp_path / "clone", at="v2")
    clone.run("dvc", "pull", "--quiet")
    words = ("petmood", "train", "data=data/pets", *SMALL, "epochs=1")
    said = clone.run(*words, f"data.hash={versions.hashes['v1']}", "name=refused", code=2)
    assert f"got {versions.hashes['v2'][:12]}." in said
    assert f"Expected data version {versions.hashes['v1'][:12]} in " in said
    clone.run(*words, f"data.hash={versions.hashes['v2']}", "name=taken")
    assert json.loads((clone.folder / "runs/taken/run.json").read_bytes())["data_hash"] == versions.hashes["v2"]


def test_a_push_killed_midway_is_seen_and_a_second_one_repairs_it(kind: str, tmp_path: Path) -> None:
    """The content ends with no line end: the emulator takes a last CR for its own (photos and CSV never end so)."""
    files = {f"{number:04d}.bin": number.to_bytes(4, "big") * 500 + b"." for number in range(MANY)}
    with opened(kind, tmp_path, prefix="killed") as remote:
        repository = remote.given_to(new_repository(tmp_path / "origin"))
        for name, content in files.items():
            put(repository.folder, f"data/pets/{name}", content)
        repository.run("dvc", "add", "--quiet", "data/pets")
        repository.commit("v1", tag="v1")

        kill_a_push(repository)
        arrived = len([name for name in remote.names() if not name.endswith(".tmp")])
        assert 0 < arrived < MANY, f"{arrived} of {MANY} objects: the push was not killed midway"
        missing = status_of(repository)
        assert set(missing.values()) == {"new"}
        assert len(missing) == 1 + MANY - arrived, "every file that is missing is named, and the list of files"
        early = repository.clone(tmp_path / "early", at="v1")
        assert "failed to pull" in early.run("dvc", "pull", code=None)
        assert not (early.folder / "data/pets").exists(), "a version comes whole or not at all"

        assert f"{MANY + 1 - arrived} files pushed" in repository.run("dvc", "push")
        assert status_of(repository) == {}
        late = repository.clone(tmp_path / "late", at="v1")
        late.run("dvc", "pull", "--quiet")
        assert {path.name: path.read_bytes() for path in (late.folder / "data/pets").iterdir()} == files


@pytest.mark.posix
def test_an_object_that_was_damaged_in_the_remote_is_refused_when_it_is_pulled(tmp_path: Path) -> None:
    """Without `verify` in the settings of the remote, DVC hands out half a photo and ends with 0."""
    with opened("folder", tmp_path, prefix="damaged") as remote:
        repository = remote.given_to(new_repository(tmp_path / "origin"))
        bring_in(tree(tmp_path / "photos", each=8), to=repository.folder / "data/pets")
        repository.run("dvc", "add", "--quiet", "data/pets")
        repository.commit("v1")
        repository.run("dvc", "push", "--quiet")
        objects = [path for path in Path(remote.address).rglob("*") if path.is_file()]
        victim = max(objects, key=lambda path: path.stat().st_size)
        whole = victim.read_bytes()
        victim.chmod(0o644)
        victim.write_bytes(whole[: len(whole) // 2])
        clone = repository.clone(tmp_path / "clone")
        assert "failed to pull" in clone.run("dvc", "pull", code=None)
        assert not (clone.folder / "data/pets").exists()

        victim.unlink()
        assert "up to date" in repository.run("dvc", "push"), "where the list of files is, DVC takes them for granted"
        next(path for path in objects if path.suffix == ".dir").unlink()
        assert "2 files pushed" in repository.run("dvc", "push")
        clone.run("dvc", "pull", "--quiet")
        assert parse_photos(clone.folder / "data/pets") == parse_photos(repository.folder / "data/pets")


def kill_a_push(repository: Repository) -> None:
    """Let a push be killed midway: when it begins to send a file after many."""
    words = [sys.executable, "-c", KILLED_PUSH, str(MIDWAY)]
    done = subprocess.run(words, cwd=repository.folder, env=dict(repository.env), check=False)
    assert done.returncode == -signal.SIGKILL


def status_of(repository: Repository) -> dict[str, str]:
    """Return what `dvc status` finds missing in the remote."""
    found: dict[str, str] = json.loads(repository.run("dvc", "status", "--cloud", "--json"))
    return found

"""GitHub workflows, run by act in clones of a repository with git and DVC."""

import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from petmood.data.index import Split, read_index, write_index
from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.remotes import opened
from tests.support.repositories import Repository, new_project
from tests.support.small_sets import SMALL, write_small_set
from tests.support.trees import bring_in, photo_bytes, put, tree
from tests.support.workflows import Event, Outcome, play

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

HOSTILE = ("$(touch pwned).png", "`touch pwned`.png", "; touch pwned;.png", "--help.png", "@everyone <b>.png")
PAYLOADS = [
    "$(touch pwned)",
    "; touch pwned",
    "--help",
    "--registry=pwned",
    "`touch pwned`",
    "1\ntouch pwned",
    "1\n::set-env name=X::y",
    '"; touch pwned; "',
    "../../etc/passwd",
    "",
    None,
    {"nested": "1"},
    "9" * 5000,
]


def pull_request(base: str, *, fork: bool = False) -> Event:
    """Return the event of a pull request against a commit."""
    head = "someone/petmood" if fork else "team/petmood"
    about = {"number": 7, "base": {"sha": base}, "head": {"repo": {"full_name": head}}}
    return Event("pull_request", {"pull_request": about})


@dataclass(frozen=True, slots=True)
class Proposals:
    """A project with a data version on main, and a place for clones of what is proposed next."""

    main: Repository
    photos: Path

    @property
    def data(self) -> Path:
        """Where the data set lies."""
        return self.main.folder / "data/pets"

    def base(self) -> str:
        """Return the commit that proposals are compared with."""
        return self.main.run("git", "rev-parse", "v1").strip()

    def propose(self, message: str, to: Path) -> Repository:
        """Commit the data set as it is now on a branch of its own, and return a clone of that."""
        self.main.run("dvc", "add", "--quiet", "data/pets")
        self.main.run("dvc", "push", "--quiet")
        self.main.commit(message)
        return self.main.clone(to)

    def reset(self) -> None:
        """Go back to the version on main."""
        self.main.run("git", "reset", "--quiet", "--hard", "v1")
        self.main.run("dvc", "checkout", "--quiet", "--force")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proposals]:
    """Put a first version of a data set on main, in a project whose walk begins with it."""
    place = tmp_path_factory.mktemp("proposals")
    with opened("folder", place, prefix="remote") as remote:
        made = remote.given_to(new_project(place / "main"))
        parameters = made.folder / "params.yaml"
        parameters.write_text(parameters.read_text("utf-8").replace("data: data/demo", "data: data/pets"), "utf-8")
        (made.folder / ".git/info/exclude").write_text(".venv\n", "utf-8")
        proposals = Proposals(made, tree(place / "photos", each=12))
        bring_in(proposals.photos, to=proposals.data)
        proposals.main.run("dvc", "add", "--quiet", "data/pets")
        proposals.main.run("dvc", "push", "--quiet")
        proposals.main.commit("Photos", tag="v1")
        yield proposals


@pytest.fixture
def proposals(project: Proposals) -> Iterator[Proposals]:
    """Begin with the version on main, and go back to it."""
    yield project
    project.reset()


def comments(outcome: Outcome) -> list[tuple[str, ...]]:
    return [words for words in outcome.commands if words[0] == "gh"]


def test_a_good_version_passes_and_is_commented_on(proposals: Proposals, tmp_path: Path) -> None:
    """The photos that come have names which a shell, a comment or a program might take for more than names."""
    source = tmp_path / "photos"
    shutil.copytree(proposals.photos, source)
    for number, name in enumerate(HOSTILE):
        put(source, f"happy/{name}", photo_bytes(700 + number))
    bring_in(source, to=proposals.data)
    clone = proposals.propose("More photos", tmp_path / "clone")
    outcome = play("data-changed.yml", clone, pull_request(proposals.base()))
    assert outcome.passed, outcome.steps
    assert outcome.ran() == {"report": 1, "comment": 1}
    assert ("make", "setup") in outcome.commands
    wanted = ("gh", "pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "report/report.md")
    assert comments(outcome) == [wanted]
    text = (outcome.artifacts / "data-report/report.md").read_text("utf-8")
    assert text.startswith("## Data `pets`: accepted\n")
    assert "**5** photos added" in text
    assert outcome.summary == text
    assert "@everyone" not in text
    page = (outcome.artifacts / "data-report/data/pets/report.html").read_text("utf-8")
    assert page.count("<img") == 5
    assert not [*clone.folder.parent.rglob("pwned*")]


def truncate_a_photo(data: Path) -> None:
    victim = data / read_index(data).rows[0].path
    whole = victim.read_bytes()
    victim.unlink()  # it may be a link into DVC's cache
    victim.write_bytes(whole[: len(whole) // 2])


def leak_over_time(data: Path) -> None:
    rows = read_index(data).rows
    moved = next(row for row in rows if row.split == "train")
    write_index(data, [replace(row, split=Split.TEST) if row == moved else row for row in rows])


def flip_labels(data: Path) -> None:
    rows = read_index(data).rows
    flips = {"happy": "sad", "sad": "happy"}
    write_index(data, [replace(row, label=flips.get(row.label, row.label)) for row in rows])


@pytest.mark.parametrize(
    ("corrupt", "said"),
    [
        (truncate_a_photo, "changed since the import"),
        (leak_over_time, "train_test_leak"),
        (flip_labels, "relabelled"),
    ],
)
def test_a_bad_version_fails_and_the_comment_says_why(
    proposals: Proposals,
    tmp_path: Path,
    corrupt: Callable[[Path], None],
    said: str,
) -> None:
    corrupt(proposals.data)
    clone = proposals.propose("Bad photos", tmp_path / "clone")
    outcome = play("data-changed.yml", clone, pull_request(proposals.base()))
    assert not outcome.passed
    assert outcome.step("Compare every changed dataset with its previous version").code == 1
    assert len(comments(outcome)) == 1, "whoever proposed it is told"
    assert said in outcome.summary
    assert outcome.summary.startswith("## Data `pets`: rejected as the next version\n")


def test_a_proposal_from_a_fork_is_evaluated_and_not_commented_on(proposals: Proposals, tmp_path: Path) -> None:
    """Its token may not write; the summary of the run shows the report."""
    clone = proposals.main.clone(tmp_path / "clone")
    outcome = play("data-changed.yml", clone, pull_request(proposals.base(), fork=True))
    assert outcome.passed, outcome.steps
    assert outcome.ran() == {"report": 1}
    assert "No `.dvc` pointer of a dataset has changed" in outcome.summary


def test_the_first_push_of_a_branch_reports_every_data_set_as_new(proposals: Proposals, tmp_path: Path) -> None:
    clone = proposals.main.clone(tmp_path / "clone")
    outcome = play("data-changed.yml", clone, Event("push", {"before": "0" * 40}))
    assert outcome.passed, outcome.steps
    assert "the first version" in outcome.summary
    assert comments(outcome) == []


@dataclass(frozen=True, slots=True)
class Scene:
    """A clone, and a registry in which a weak champion and a better version wait."""

    clone: Repository
    registry: Registry
    address: str

    def sent(self, version: Any) -> Outcome:  # noqa: ANN401 - whatever a payload may hold
        """Send the event."""
        event = Event("repository_dispatch", {"client_payload": {"version": version}}, self.variables)
        return play("model-registered.yml", self.clone, event)

    @property
    def variables(self) -> dict[str, str]:
        """What the team has set."""
        return {"PETMOOD_REGISTRY": self.address, "PETMOOD_DATA": "data/pets"}

    def champion(self) -> int | None:
        """Return the number that the alias points to."""
        return self.registry.state().aliases.get("champion")


@pytest.fixture(scope="module")
def scene(project: Proposals, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Train two networks on noisy stripes, register both, and let the weak one be the champion."""
    place = tmp_path_factory.mktemp("registered")
    main = project.main
    project.reset()
    write_small_set(main.folder / "data/few", train=64, valid=40, test=8, noise=120.0, seed=5)
    shutil.rmtree(project.data)
    write_small_set(project.data, train=240, valid=40, test=120, noise=120.0)
    clone = project.propose("Stripes", place / "clone")
    address = str(place / "registry")
    for name, data, epochs in (("weak", "data/few", 5), ("good", "data/pets", 6)):
        settings = (*SMALL, f"epochs={epochs}", "evaluation.baselines=false", f"name={name}")
        main.run("petmood", "train", f"data={data}", *settings)
        main.run("petmood", "export", f"runs/{name}", "--output", f"bundles/{name}")
        main.run("petmood", "registry", "push", f"bundles/{name}", "--registry", address)
    project.reset()
    registry = open_registry(address)
    registry.promote(registry.find("1"), alias="champion", by=Author("tester", "the first"), seen=registry.state())
    return Scene(clone, registry, address)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: str(payload)[:20])
def test_a_hostile_payload_is_text_and_moves_nothing(scene: Scene, payload: Any) -> None:  # noqa: ANN401 - as `sent`
    before = scene.champion()
    outcome = scene.sent(payload)
    step = outcome.step("Run the promotion checks")
    assert step.code == 2, step.said
    assert step.said.startswith("petmood: ")
    assert "Traceback" not in step.said
    assert not [line for line in step.said.splitlines() if line.startswith("::")]
    assert scene.champion() == before
    assert not [*scene.clone.folder.parent.rglob("pwned*")]


def test_a_better_version_becomes_champion_and_then_a_worse_one_does_not(scene: Scene) -> None:
    outcome = scene.sent(2)
    assert outcome.passed, outcome.steps
    assert scene.champion() == 2
    assert "promotion" in outcome.summary.lower()
    last = scene.registry.history()[-1]
    assert (last.alias, last.to, last.author) == ("champion", 2, "octocat")

    refused = scene.sent("1")
    assert refused.step("Run the promotion checks").code == 3
    assert scene.champion() == 2
    assert refused.step("Show the promotion report").code == 0
    assert refused.summary


PROGRAMS = ("make", "gh", "docker", "python", "python3", "sudo")
SYSTEMS = ("ubuntu-24.04", "macos-15", "windows-2025")
RELEASED = r"""#!/usr/bin/env bash
stand-in-log "$(basename "$0")" "$@"
case "$1 $2" in
  "bundle bom") touch "$5" ;;
  "bundle sign") [ -s "$5" ] && touch "$3.sig" ;;
esac
"""
"""Stands in for the program of the release: it writes the files, and refuses an empty key."""
IMAGES = ("serve", "page", "monitor", "bento", "train")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository of the code alone; what would take minutes or a network is a stub."""
    return new_project(tmp_path_factory.mktemp("code") / "main")


def written(outcome: Outcome, *words: str) -> list[tuple[str, ...]]:
    """Return the recorded commands that begin with these words."""
    return [command for command in outcome.commands if command[: len(words)] == words]


def test_a_proposal_is_linted_and_tested_on_every_system_and_builds_no_image(code: Repository) -> None:
    outcome = play("tests.yml", code, Event("pull_request", ref="refs/pull/7/merge"), stubs=PROGRAMS)
    assert outcome.passed, outcome.log
    assert outcome.ran() == {"lint": 1, "test": 1, "systems": 15}
    assert len(written(outcome, "python", "-m", "pytest")) == 15
    assert written(outcome, "make") in ([("make", "lint"), ("make", "test")], [("make", "test"), ("make", "lint")])
    wanted = {(os, python, "pinned") for os in SYSTEMS for python in ("3.11", "3.12", "3.13", "3.14")}
    more = {(SYSTEMS[0], "3.11", "oldest"), (SYSTEMS[0], "3.14", "newest"), (SYSTEMS[0], "3.14t", "pinned")}
    seen = {(m["os"], m["python"], m["torch"]) for name, m, _ in outcome.jobs if name == "systems"}
    assert seen == wanted | more
    assert len(written(outcome, "python", "-m", "uv", "pip", "install")) == 15 + 2
    keys = {command[-1] for command in written(outcome, "uses", "cache")}
    assert len(keys) == 6, "by Python, and by the pins alone"
    assert not [key for key in keys if not re.fullmatch(r"uv-Linux-[\w.]+-[0-9a-f]{64}", key)]


def test_after_a_push_to_main_the_images_are_built_and_pushed(code: Repository) -> None:
    outcome = play("tests.yml", code, Event("push"), stubs=PROGRAMS)
    assert outcome.passed, outcome.log
    assert outcome.ran()["image"] == len(IMAGES)
    built = {command[command.index("--target") + 1] for command in written(outcome, "docker", "build")}
    assert built == set(IMAGES)
    pushed = {command[-1] for command in written(outcome, "docker", "push")}
    assert pushed == {f"ghcr.io/team/petmood-{name}" for name in IMAGES}


@pytest.mark.parametrize("fails", ["make lint", "make test"])
def test_where_lint_or_a_test_fails_nothing_is_built(code: Repository, fails: str) -> None:
    outcome = play("tests.yml", code, Event("push"), stubs=PROGRAMS, fails=fails)
    assert not outcome.passed
    assert "image" not in outcome.ran()
    assert ("systems" in outcome.ran()) == (fails == "make test")


def test_the_site_is_published_from_main_alone(code: Repository) -> None:
    proposed = play("docs.yml", code, Event("pull_request", ref="refs/pull/7/merge"), stubs=PROGRAMS)
    assert proposed.passed, proposed.log
    assert proposed.ran() == {"build": 1}
    assert written(proposed, "make") == [("make", "docs")]
    landed = play("docs.yml", code, Event("push"), stubs=PROGRAMS)
    assert landed.ran() == {"build": 1, "publish": 1}
    assert written(landed, "uses", "upload-pages-artifact") == [("uses", "upload-pages-artifact", "site")]
    assert written(landed, "uses", "deploy-pages") == [("uses", "deploy-pages")]
    broken = play("docs.yml", code, Event("push"), stubs=PROGRAMS, fails="make docs")
    assert (broken.passed, broken.ran()) == (False, {"build": 1})


def test_every_night_the_proofs_run(code: Repository) -> None:
    outcome = play("nightly.yml", code, Event("schedule"), stubs=PROGRAMS)
    assert outcome.passed, outcome.log
    assert written(outcome, "make") == [("make", "proof")]


@pytest.mark.parametrize("secrets", [{}, {"PETMOOD_SIGNING_KEY": "key"}], ids=["no key", "a key"])
def test_a_tag_becomes_a_release_whose_bundle_is_signed_if_there_is_a_key(
    release: Repository, secrets: dict[str, str]
) -> None:
    event = Event("push", secrets=secrets, ref="refs/tags/v9.9.9")
    outcome = play("release.yml", release, event, stubs=PROGRAMS)
    assert outcome.passed, outcome.log
    assert outcome.ran() == {"build": 1, "sign": 1, "attest": 1, "publish": 1}
    signing = [step for step in outcome.steps if step.name == "Sign the bundle, if there is a key"]
    assert len(signing) == len(secrets)
    assert written(outcome, "make") == [("make", "wheel", "sbom"), ("make", "run")]
    assert written(outcome, "uses", "attest-build-provenance") == [("uses", "attest-build-provenance", "dist/*")]
    (made,) = written(outcome, "gh", "release", "create")
    assert made[3:6] == ("v9.9.9", "--verify-tag", "--generate-notes")
    assert {"dist/demo-bundle.tar.gz", "dist/demo.cdx.json", "dist/petmood-9.9.9-py3-none-any.whl"} <= set(made[6:])
    with tarfile.open(outcome.artifacts / "release/demo-bundle.tar.gz") as packed:
        names = packed.getnames()
    assert "./demo/card.md" in names
    assert ("./demo.sig" in names) == bool(secrets)
    assert not [*outcome.workspaces.rglob("key.pem")]


@pytest.fixture
def release(code: Repository, tmp_path: Path) -> Repository:
    """Return a clone in which what `make` and `petmood` would have made lies already."""
    made = code.clone(tmp_path / "release")
    for name in ("dist/petmood-9.9.9-py3-none-any.whl", "bundles/demo/card.md"):
        path = made.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made before", "utf-8")
    for name in ("petmood", "pip"):
        program = made.folder / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(RELEASED, "utf-8")
        program.chmod(0o755)
    made.run("git", "add", "--all", "--force")
    made.run("git", "commit", "--quiet", "--message", "What is built")
    return made

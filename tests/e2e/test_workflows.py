"""GitHub workflows, run step by step in clones of a repository with git and DVC."""

import shutil
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
    assert {step.job for step in outcome.steps} == {"report", "comment"}
    assert ("make", "setup") in outcome.commands
    wanted = ("gh", "pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "report/report.md")
    assert comments(outcome) == [wanted]
    text = (clone.folder / "report/report.md").read_text("utf-8")
    assert text.startswith("## Data `pets`: accepted\n")
    assert "**5** photos added" in text
    assert outcome.summary == text
    assert "@everyone" not in text
    page = (clone.folder / "report/data/pets/report.html").read_text("utf-8")
    assert page.count("<img") == 5
    assert not list(clone.folder.rglob("pwned*"))


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
    assert {step.job for step in outcome.steps} == {"report"}
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
    assert not [*scene.clone.folder.rglob("pwned*"), *scene.clone.folder.parent.glob("pwned*")]


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

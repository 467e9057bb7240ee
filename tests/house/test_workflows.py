"""GitHub workflows: valid, safe, and made of existing commands."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.test_repository import has_verb, pyproject, targets
from tests.support.repositories import Repository, new_repository
from tests.support.source_tree import ROOT
from tests.support.workflows import Event, filled, loaded

PROGRAMS = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
PINNED = re.compile(
    r"^\s*(?:- )?uses: (?:[\w./-]+@[0-9a-f]{40} # v[\d.]+|\./\.github/workflows/[\w-]+\.yml # zizmor: .*)$"
)
KNOWN = (
    'gh pr comment "$NUMBER" ',
    'gh release create "$GITHUB_REF_NAME" ',
    "cat ",
    "docker build ",
    "docker push ",
    "docker run ",
    "echo ",
    "python3 -m venv .venv",
    "rm key.pem",
    "sudo apt-get ",
    "tar ",
    ".venv/bin/pip install ",
)
each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> list[dict[str, Any]]:
    """Return the jobs of a workflow."""
    return list(loaded(path)["jobs"].values())


def commands(path: Path) -> list[str]:
    """Return every command of every `run:`, lines joined where they go on."""
    scripts = [step["run"] for job in jobs(path) for step in job.get("steps", ()) if "run" in step]
    return [line.strip() for script in scripts for line in script.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository to run act in."""
    return new_repository(tmp_path_factory.mktemp("turns") / "main")


def turn(name: str, somewhere: Repository, event: Event) -> tuple[str, str]:
    """Return a run's group, and whether it cancels the one before it, as act fills them in."""
    rule = loaded(ROOT / f".github/workflows/{name}.yml")["concurrency"]
    given = {"GROUP": str(rule["group"]), "CANCELS": str(rule["cancel-in-progress"])}
    found = filled(given, somewhere, event)
    return found["GROUP"], found["CANCELS"].lower()


def run(*words: str | Path) -> str:
    """Run a program of the environment; what it finds fails the test."""
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_there_are_workflows_to_look_at() -> None:
    names = {"data-changed", "docs", "images", "model-registered", "nightly", "release", "tests"}
    assert names <= {path.stem for path in WORKFLOWS}


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_every_workflow_keeps_to_the_schema_and_gives_every_job_a_limit_of_time(schema: str) -> None:
    run(PROGRAMS / "check-jsonschema", "--builtin-schema", schema, *WORKFLOWS)


def test_dependabot_s_settings_keep_to_the_schema() -> None:
    run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.dependabot", ROOT / ".github/dependabot.yml")


ZIZMOR = (PROGRAMS / "zizmor", "--offline", "--no-progress", "--no-config", "--persona", "auditor")
ACTIONLINT = (PROGRAMS / "actionlint", "-no-color")


def test_zizmor_finds_nothing_even_as_an_auditor() -> None:
    assert "No findings to report" in run(*ZIZMOR, ROOT / ".github")


def test_actionlint_finds_nothing() -> None:
    assert run(*ACTIONLINT, *WORKFLOWS) == ""


@pytest.mark.parametrize(
    ("tool", "was", "planted", "said"),
    [
        (ZIZMOR, "persist-credentials: false", "persist-credentials: true", "artipacked"),
        (ZIZMOR, "@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2", "@v4", "unpinned-uses"),
        (ZIZMOR, "run: make lint", "run: echo ${{ github.event.pull_request.title }}", "template-injection"),
        (ZIZMOR, "permissions: {}", "permissions: write-all", "excessive-permissions"),
        (ACTIONLINT, "needs: lint", "needs: lnit", "lnit"),
        (ACTIONLINT, "matrix.torch == 'oldest'", "matrix.trch == 'oldest'", "trch"),
        (ACTIONLINT, "fail-fast: false", "fail-fats: false", "fail-fats"),
        (ACTIONLINT, "runs-on: ubuntu-24.04", "runs-on: ubuntu-42.04", "ubuntu-42.04"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 24 else "",
)
def test_a_planted_mistake_is_found(tmp_path: Path, tool: tuple[Any, ...], was: str, planted: str, said: str) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    for path in WORKFLOWS:
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    text = (folder / "tests.yml").read_text("utf-8")
    assert was in text
    (folder / "tests.yml").write_text(text.replace(was, planted, 1), "utf-8")
    words = [str(word) for word in (*tool, folder / "tests.yml")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stdout


@each
def test_every_command_of_a_workflow_exists(path: Path) -> None:
    stages, unknown = set(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]), []
    for command in commands(path):
        tool, *words = command.removeprefix(".venv/bin/").split()
        if tool == "make":
            exists = set(words) <= targets()
        elif tool == "petmood":
            exists = has_verb(words)
        elif tool == "dvc":
            exists = words[0] in {"pull", "repro"} and set(words[1:]) <= stages
        elif tool in {"python", "python3"} and words[:2] != ["-m", "venv"]:
            exists = words[0] == "-m" and importlib.util.find_spec(words[1]) is not None
        else:
            exists = command.startswith(KNOWN)
        if not exists:
            unknown.append(command)
    assert unknown == []


@each
def test_no_expression_stands_in_a_command(path: Path) -> None:
    """What GitHub fills in before bash reads the line could be anyone's command; values travel in the environment."""
    assert [command for command in commands(path) if "${{" in command] == []


@each
def test_a_workflow_may_nothing_and_a_job_what_it_says(path: Path) -> None:
    assert loaded(path)["permissions"] == {}
    for job in jobs(path):
        given = set(job["permissions"].values())
        assert given <= {"read", "write"}
        runs_our_code = any("make " in step.get("run", "") for step in job.get("steps", ()))
        assert not (runs_our_code and "write" in given), "a token that may write is never where proposed code runs"


@each
def test_every_action_is_pinned_to_a_commit_and_checkout_leaves_no_token_behind(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)]
    assert lines
    assert [line for line in lines if not PINNED.match(line)] == []
    for job in jobs(path):
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_an_action_has_one_pin_wherever_it_is_used() -> None:
    text = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w./-]+)@(\w+)", text))
    assert len({action for action, _ in pins}) == len(pins)


def test_a_secret_is_read_by_the_signing_of_a_release_alone() -> None:
    texts = {path.stem: path.read_text("utf-8") for path in WORKFLOWS}
    reading = {(name, secret) for name, text in texts.items() for secret in re.findall(r"secrets\.\w+", text)}
    assert reading == {("release", "secrets.PETMOOD_SIGNING_KEY")}
    (job,) = [job for job in jobs(ROOT / ".github/workflows/release.yml") if "secrets." in str(job)]
    assert (job["environment"], job["permissions"]) == ("release", {"contents": "read"})


def test_caches_are_keyed_by_the_pins_and_a_release_uses_none() -> None:
    for path in WORKFLOWS:
        steps = [step for job in jobs(path) for step in job.get("steps", ())]
        caches = [step for step in steps if "actions/cache@" in step.get("uses", "")]
        assert not [step for step in caches if not step["with"]["key"].endswith("${{ hashFiles('constraints.txt') }}")]
        assert not (caches and path.stem in {"images", "model-registered", "release"})


def test_changed_pointers_fire_and_nothing_else_does() -> None:
    fires = loaded(ROOT / ".github/workflows/data-changed.yml")["on"]
    assert set(fires) == {"pull_request", "push"}
    assert fires["pull_request"]["paths"] == fires["push"]["paths"] == ["**.dvc", "dvc.lock"]
    assert loaded(ROOT / ".github/workflows/model-registered.yml")["on"] == {
        "repository_dispatch": {"types": ["model_registered"]}
    }


TESTS = ROOT / ".github/workflows/tests.yml"


def test_proposals_and_what_has_landed_are_tested_by_the_command_of_the_readme_without_a_secret() -> None:
    read = loaded(TESTS)
    assert set(read["on"]) == {"pull_request", "push"}
    assert read["on"]["pull_request"] is None
    assert [step["run"] for step in read["jobs"]["test"]["steps"] if "run" in step] == ["make test"]
    assert "\nmake test " in (ROOT / "README.md").read_text("utf-8")
    assert "secrets" not in TESTS.read_text("utf-8")
    given = {name: job["permissions"] for name, job in read["jobs"].items()}
    assert {name for name, permissions in given.items() if permissions != {"contents": "read"}} == {"images"}


def test_systems_and_versions_are_those_that_the_project_names() -> None:
    job = loaded(TESTS)["jobs"]["systems"]
    matrix = job["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(pyproject()["project"]["classifiers"]))
    assert matrix["python"] == named
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert [one["python"] for one in matrix["include"] if one.get("may-fail")] == ["3.14t"]
    assert job["continue-on-error"] == "${{ matrix.may-fail == true }}"
    (oldest,) = [step["run"] for step in job["steps"] if step.get("if") == "matrix.torch == 'oldest'"]
    floors = dict(re.findall(r"(torch|torchvision)>=([\d.]+)", str(pyproject())))
    assert re.findall(r"(torch|torchvision)==([\d.]+)\.\*", oldest) == [*floors.items()]


def test_every_image_is_built_after_the_tests_and_from_main_alone() -> None:
    job = loaded(TESTS)["jobs"]["images"]
    assert job["needs"] == ["test", "systems"]
    assert job["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    read = loaded(ROOT / ".github/workflows/images.yml")
    assert set(read["on"]) == {"workflow_call"}
    stages = re.findall(r"^FROM runtime AS ([\w-]+)", (ROOT / "docker/Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert sorted(read["jobs"]["image"]["strategy"]["matrix"]["target"]) == sorted(stages)


def registered(version: object) -> Event:
    """Return the event of a registered version."""
    return Event("repository_dispatch", {"client_payload": {"version": version}})


def test_every_registered_version_is_evaluated_whatever_else_is_registered(somewhere: Repository) -> None:
    """In one group a third run would cancel the second while it waits."""
    turns = [turn("model-registered", somewhere, registered(version)) for version in (1, 2, 3)]
    assert len({group for group, _ in turns}) == 3
    assert {cancels for _, cancels in turns} == {"false"}


@pytest.mark.parametrize(
    "version", ["data-changed-refs/heads/main", "${{ github.token }}", "1\ncancel-in-progress: true"]
)
def test_a_hostile_version_can_t_name_another_workflow_s_group(somewhere: Repository, version: str) -> None:
    """A group is a name that is compared: text in it is neither run, nor read as YAML, nor filled in again."""
    assert turn("model-registered", somewhere, registered(version)) == (f"model-registered-{version}", "false")
    others = [
        str(rule["group"])
        for path in WORKFLOWS
        if path.stem != "model-registered" and (rule := loaded(path).get("concurrency"))
    ]
    assert others
    assert not [group for group in others if group.startswith(("model-registered-", "${{"))]


@pytest.mark.parametrize("name", ["data-changed", "tests"])
def test_a_newer_proposal_cancels_the_older_one_and_a_push_cancels_nothing(somewhere: Repository, name: str) -> None:
    proposed, landed = Event("pull_request", ref="refs/pull/7/merge"), Event("push")
    before = {event.name: turn(name, somewhere, event) for event in (proposed, landed)}
    somewhere.run("git", "commit", "--quiet", "--allow-empty", "--message", "Next")
    after = {event.name: turn(name, somewhere, event) for event in (proposed, landed)}
    assert before["pull_request"] == after["pull_request"]
    assert before["pull_request"][1] == "true"
    pushes = [before["push"], after["push"]]
    assert pushes[0][0] != pushes[1][0]
    assert {cancels for _, cancels in pushes} == {"false"}

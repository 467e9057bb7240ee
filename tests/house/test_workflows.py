"""GitHub workflows: valid, safe, and made of existing commands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.test_repository import has_verb, targets
from tests.support.source_tree import ROOT
from tests.support.workflows import evaluate, loaded

PROGRAMS = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
PINNED = re.compile(r"^\s*(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v[\d.]+$")
KNOWN = ('gh pr comment "$NUMBER" ', "cat ", "echo ")
each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> list[dict[str, Any]]:
    """Return the jobs of a workflow."""
    return list(loaded(path)["jobs"].values())


def commands(path: Path) -> list[str]:
    """Return every command of every `run:`, lines joined where they go on."""
    scripts = [step["run"] for job in jobs(path) for step in job["steps"] if "run" in step]
    return [line.strip() for script in scripts for line in script.replace("\\\n", " ").splitlines() if line.strip()]


def filled(value: object, github: dict[str, Any]) -> str:
    """Fill the expressions of a value in as GitHub does, once: what comes out is not looked at again."""

    def found(match: re.Match[str]) -> str:
        result = evaluate(match[1], {"github": github}, folder=ROOT)
        return str(result).lower() if isinstance(result, bool) else str(result or "")

    return re.sub(r"\$\{\{(.*?)\}\}", found, str(value))


def turn(name: str, github: dict[str, Any]) -> tuple[str, str]:
    """Return a run's group, and whether it cancels the one before it."""
    rule = loaded(ROOT / f".github/workflows/{name}.yml")["concurrency"]
    return filled(rule["group"], github), filled(rule["cancel-in-progress"], github).lower()


def run(*words: str | Path) -> str:
    """Run a program of the environment; what it finds fails the test."""
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_there_are_workflows_to_look_at() -> None:
    assert {"data-changed", "model-registered", "tests"} <= {path.stem for path in WORKFLOWS}


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_every_workflow_keeps_to_the_schema_and_gives_every_job_a_limit_of_time(schema: str) -> None:
    run(PROGRAMS / "check-jsonschema", "--builtin-schema", schema, *WORKFLOWS)


def test_zizmor_finds_nothing_even_as_an_auditor() -> None:
    said = run(PROGRAMS / "zizmor", "--offline", "--no-progress", "--persona", "auditor", ROOT / ".github")
    assert "No findings to report" in said


@each
def test_every_command_of_a_workflow_exists(path: Path) -> None:
    stages, unknown = set(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]), []
    for command in commands(path):
        tool, *words = command.split()
        if tool == "make":
            exists = words[0] in targets()
        elif tool == "petmood":
            exists = has_verb(words)
        elif tool == "dvc":
            exists = words[0] in {"pull", "repro"} and set(words[1:]) <= stages
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
        runs_our_code = any("make " in step.get("run", "") for step in job["steps"])
        assert not (runs_our_code and "write" in given), "a token that may write is never where proposed code runs"


@each
def test_every_action_is_pinned_to_a_commit_and_checkout_leaves_no_token_behind(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)]
    assert lines
    assert [line for line in lines if not PINNED.match(line)] == []
    for job in jobs(path):
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_changed_pointers_fire_and_nothing_else_does() -> None:
    fires = loaded(ROOT / ".github/workflows/data-changed.yml")["on"]
    assert set(fires) == {"pull_request", "push"}
    assert fires["pull_request"]["paths"] == fires["push"]["paths"] == ["**.dvc", "dvc.lock"]
    assert loaded(ROOT / ".github/workflows/model-registered.yml")["on"] == {
        "repository_dispatch": {"types": ["model_registered"]}
    }


def test_proposals_and_what_has_landed_are_tested_by_the_command_of_the_readme_without_a_secret() -> None:
    path = ROOT / ".github/workflows/tests.yml"
    assert set(loaded(path)["on"]) == {"pull_request", "push"}
    assert loaded(path)["on"]["pull_request"] is None
    assert commands(path) == ["make test"]
    assert "\nmake test " in (ROOT / "README.md").read_text("utf-8")
    assert "secrets" not in path.read_text("utf-8")
    assert [job["permissions"] for job in jobs(path)] == [{"contents": "read"}]


def test_every_registered_version_is_evaluated_whatever_else_is_registered() -> None:
    """In one group a third run would cancel the second while it waits."""
    turns = [turn("model-registered", {"event": {"client_payload": {"version": version}}}) for version in (1, 2, 3)]
    assert len({group for group, _ in turns}) == 3
    assert {cancels for _, cancels in turns} == {"false"}


@pytest.mark.parametrize(
    "version", ["data-changed-refs/heads/main", "${{ github.token }}", "1\ncancel-in-progress: true"]
)
def test_a_hostile_version_can_t_name_another_workflow_s_group(version: str) -> None:
    """A group is a name that is compared: text in it is neither run, nor read as YAML, nor filled in again."""
    turned = turn("model-registered", {"event": {"client_payload": {"version": version}}})
    assert turned == (f"model-registered-{version}", "false")
    others = [str(loaded(path)["concurrency"]["group"]) for path in WORKFLOWS if path.stem != "model-registered"]
    assert others
    assert not [group for group in others if group.startswith(("model-registered-", "${{"))]


@pytest.mark.parametrize("name", ["data-changed", "tests"])
def test_a_newer_proposal_cancels_the_older_one_and_a_push_cancels_nothing(name: str) -> None:
    pulls = [turn(name, {"event_name": "pull_request", "ref": "refs/pull/7/merge", "sha": sha}) for sha in "ab"]
    assert pulls[0] == pulls[1]
    assert pulls[0][1] == "true"
    pushes = [turn(name, {"event_name": "push", "ref": "refs/heads/main", "sha": sha}) for sha in "ab"]
    assert pushes[0][0] != pushes[1][0]
    assert {cancels for _, cancels in pushes} == {"false"}

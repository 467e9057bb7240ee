"""GitHub workflows on this machine: every `run:` in bash, in a clone, with the triggering event.

Steps that `use` an action are skipped: the clone exists already, and artifacts stay in the same folder. Two programs
are replaced by stubs that record their arguments: `make` (the environment exists) and `gh` (no network).
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.repositories import Repository
from tests.support.source_tree import ROOT

BASH: Final = ("bash", "--noprofile", "--norc", "-euo", "pipefail")
STAND_IN: Final = r"""#!/usr/bin/env bash
printf '%s\0' "$0" "$@" >> "$STAND_IN_LOG"; printf '\n' >> "$STAND_IN_LOG"
"""
EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: its name, its payload, and the repository's variables."""

    name: str
    payload: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)
    actor: str = "octocat"


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ran: its name, how it ended and what it said."""

    job: str
    name: str
    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a workflow did: its steps, what it wrote into the summary, and what it told `make` and `gh`."""

    steps: tuple[Step, ...]
    summary: str
    commands: tuple[tuple[str, ...], ...]

    @property
    def passed(self) -> bool:
        """Tell whether GitHub would show a green tick."""
        return all(step.code == 0 for step in self.steps)

    def step(self, name: str) -> Step:
        """Return a step by its name."""
        (found,) = [step for step in self.steps if step.name == name]
        return found


def loaded(path: Path) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes its key `on` for true."""
    read: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return {"on" if key is True else key: value for key, value in read.items()}


def evaluate(expression: str, context: Mapping[str, Any], *, folder: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Evaluate what the workflows here use of GitHub's expressions: &&, ||, ==, !=, names and two functions."""
    for sign in ("||", "&&"):
        first, found, rest = expression.partition(sign)
        if found:
            value = evaluate(first, context, folder=folder)
            goes_on = not value if sign == "||" else value
            return evaluate(rest, context, folder=folder) if goes_on else value
    for sign in ("==", "!="):
        first, found, rest = expression.partition(sign)
        if found:
            equal = evaluate(first, context, folder=folder) == evaluate(rest, context, folder=folder)
            return equal if sign == "==" else not equal
    return _operand(expression.strip(), context, folder)


def _operand(word: str, context: Mapping[str, Any], folder: Path) -> Any:  # noqa: ANN401 - any JSON value
    if word == "!cancelled()":
        return True
    if text := re.fullmatch(r"'(.*)'", word):
        return text[1]
    if files := re.fullmatch(r"hashFiles\('(.*)'\)", word):
        return "a-hash" if (folder / files[1]).is_file() else ""
    value: Any = context
    assert re.fullmatch(r"[a-z_]+(\.[A-Za-z_]+)+", word), f"no expression that is known here: {word!r}"
    for name in word.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def play(workflow: str, repository: Repository, event: Event) -> Outcome:
    """Run a workflow in a clone; as on GitHub, a job goes on after a step that failed only where an `if` says so."""
    desk = repository.folder.with_name(f"{repository.folder.name}-github")
    ready = _prepared(repository, desk, event)
    context = {
        "github": {
            "event": event.payload,
            "event_name": event.name,
            "repository": "team/petmood",
            "token": "nobody",
            "ref": "refs/heads/main",
        },
        "vars": event.variables,
    }
    steps: list[Step] = []
    plan = loaded(ROOT / ".github/workflows" / workflow)
    for name, job in plan["jobs"].items():
        failed = any(step.code for step in steps if step.job == job.get("needs"))
        if not _wanted(job, context, ready.folder, failed=failed):
            continue
        for step in job["steps"]:
            failed = any(one.code for one in steps if one.job == name)
            if "run" in step and _wanted(step, context, ready.folder, failed=failed):
                given = {**plan.get("env", {}), **job.get("env", {}), **step.get("env", {})}
                env = {key: _filled(str(value), context, ready.folder) for key, value in given.items()}
                steps.append(_ran(name, step, ready, desk, env))
    commands = tuple(
        (Path(words[0]).name, *words[1:])
        for line in (desk / "told").read_text("utf-8").splitlines()
        if (words := line.split("\0")[:-1])
    )
    return Outcome(tuple(steps), (desk / "summary.md").read_text("utf-8"), commands)


def _prepared(repository: Repository, desk: Path, event: Event) -> Repository:
    """Put the environment where `make setup` makes it, and lay out what GitHub lays out."""
    shutil.rmtree(desk, ignore_errors=True)
    (desk / "programs").mkdir(parents=True)
    for name in ("make", "gh"):
        (desk / "programs" / name).write_text(STAND_IN, "utf-8")
        (desk / "programs" / name).chmod(0o755)
    for name in ("told", "summary.md", "output", "path"):
        (desk / name).touch()
    (desk / "event.json").write_text(json.dumps(event.payload), "utf-8")
    venv = repository.folder / ".venv"
    if not venv.is_symlink():
        venv.symlink_to(sys.prefix, target_is_directory=True)
    env = {
        "STAND_IN_LOG": str(desk / "told"),
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": event.actor,
        "GITHUB_EVENT_NAME": event.name,
        "GITHUB_EVENT_PATH": str(desk / "event.json"),
        "GITHUB_OUTPUT": str(desk / "output"),
        "GITHUB_PATH": str(desk / "path"),
        "GITHUB_REPOSITORY": "team/petmood",
        "GITHUB_STEP_SUMMARY": str(desk / "summary.md"),
    }
    return Repository(repository.folder, {**repository.env, **env})


def _wanted(part: Mapping[str, Any], context: Mapping[str, Any], folder: Path, *, failed: bool) -> bool:
    if "if" not in part:
        return not failed
    condition = EXPRESSION.sub(r"\1", part["if"])
    assert "!cancelled()" in condition, "an `if` without a status function means success() && ...; say it here"
    return bool(evaluate(condition, context, folder=folder))


def _filled(text: str, context: Mapping[str, Any], folder: Path) -> str:
    def value(match: re.Match[str]) -> str:
        found = evaluate(match[1], context, folder=folder)
        return "" if found is None else "Object" if isinstance(found, Mapping) else str(found)

    return EXPRESSION.sub(value, text)


def _ran(job: str, step: Mapping[str, Any], repository: Repository, desk: Path, env: Mapping[str, str]) -> Step:
    assert "${{" not in step["run"], "a payload would be run as a command"
    script = desk / "step.sh"
    script.write_text(step["run"], "utf-8")
    added = reversed((desk / "path").read_text("utf-8").splitlines())
    path = ":".join([str(desk / "programs"), *added, "/usr/local/bin", "/usr/bin", "/bin"])
    done = subprocess.run(
        [*BASH, str(script)],
        cwd=repository.folder,
        env={**repository.env, **env, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )
    return Step(job, step["name"], done.returncode, done.stdout)

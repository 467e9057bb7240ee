"""GitHub workflows on this machine, run by act: jobs, matrices, conditions, expressions and outputs are its own.

Jobs run in fresh clones, without containers. Actions are replaced by the stand-ins below ``actions/``. Programs that
would install something or need a network (`make`, `gh`, `docker`, ...) are replaced by stubs that record their words.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.repositories import Repository
from tests.support.source_tree import ROOT

ACT: Final = Path(sys.executable).parent / "act"
ACTIONS: Final = Path(__file__).parent / "actions"
WORKFLOWS: Final = ROOT / ".github/workflows"
USED: Final = re.compile(r"uses:\s+(?P<action>[\w.-]+/(?P<name>[\w.-]+))@(?P<ref>\w+)")
RUNNERS: Final = ("ubuntu-24.04", "macos-15", "windows-2025")
ENDED: Final = re.compile(r"exit status (\d+)")
LONGEST_S: Final = 1800

LOG: Final = r"""#!/usr/bin/env bash
printf '%s\0' "$@" $'\x1e' >> "$STAND_IN_LOG" # in one write: jobs run side by side
"""
STUB: Final = r"""#!/usr/bin/env bash
name=$(basename "$0")
stand-in-log "$name" "$@"
if [ "$name $*" = "make setup" ]; then ln -s "$STAND_IN_PREFIX" .venv; fi
if [[ "$name $*" == $STAND_IN_FAILS ]]; then exit 9; fi
"""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: its name, its payload, the repository's variables and secrets, and where it happened."""

    name: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    actor: str = "octocat"
    ref: str = "refs/heads/main"


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ran: its job, its name, its exit code (1 if an action failed) and what it printed."""

    job: str
    name: str
    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a workflow did: steps, results of jobs, summary, artifacts, and the words of recorded programs."""

    passed: bool
    steps: tuple[Step, ...]
    jobs: tuple[tuple[str, Mapping[str, Any], str], ...]
    """Each job that ran: its id, its combination of the matrix, and its result."""
    summary: str
    commands: tuple[tuple[str, ...], ...]
    artifacts: Path
    workspaces: Path
    log: str = field(repr=False)

    def step(self, name: str) -> Step:
        """Return the only step of this name."""
        (found,) = [step for step in self.steps if step.name == name]
        return found

    def ran(self) -> dict[str, int]:
        """Return how often each job ran."""
        names = [name for name, _, _ in self.jobs]
        return {name: names.count(name) for name in names}


def loaded(path: Path) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes its key `on` for true."""
    read: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return {"on" if key is True else key: value for key, value in read.items()}


def play(
    workflow: str, repository: Repository, event: Event, *, stubs: Sequence[str] = ("make", "gh"), fails: str = ""
) -> Outcome:
    """Run a workflow of a repository for an event.

    The programs ``stubs`` are recorded instead of run. One whose words match the pattern ``fails`` ends with 9.
    """
    desk = repository.folder.with_name(f"{repository.folder.name}-github")
    shutil.rmtree(desk, ignore_errors=True)
    programs = desk / "programs"
    programs.mkdir(parents=True)
    for name, text in (("stand-in-log", LOG), *((stub, STUB) for stub in stubs)):
        (programs / name).write_text(text, "utf-8")
        (programs / name).chmod(0o755)
    (desk / "told").touch()
    (desk / "artifacts").mkdir()
    (desk / "event.json").write_text(json.dumps(event.payload), "utf-8")
    given = {
        "STAND_IN_LOG": str(desk / "told"),
        "STAND_IN_ARTIFACTS": str(desk / "artifacts"),
        "STAND_IN_ORIGIN": str(repository.folder),
        "STAND_IN_COMMIT": repository.run("git", "rev-parse", "HEAD").strip(),
        "STAND_IN_PREFIX": sys.prefix,
        "STAND_IN_FAILS": fails,
        "GITHUB_REPOSITORY": "team/petmood",
        "GITHUB_REF": event.ref,
    }
    path = f"{programs}:{_plain_path(repository.env['PATH'])}"
    done = subprocess.run(
        _command(WORKFLOWS / workflow, event, desk, {**_passed_on(repository.env), **given}),
        cwd=repository.folder,
        env={**repository.env, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=LONGEST_S,
    )
    lines = list(_json_lines(done.stdout))
    assert lines, done.stdout
    told = [line.split("\0")[:-1] for line in (desk / "told").read_text("utf-8").split("\x1e\0")]
    return Outcome(
        passed=done.returncode == 0,
        steps=tuple(_steps(lines)),
        jobs=tuple(_jobs(lines)),
        summary="".join(line["content"] for line in lines if line.get("command") == "summary"),
        commands=tuple(tuple(words) for words in told if words),
        artifacts=desk / "artifacts",
        workspaces=desk / "act",
        log=done.stdout,
    )


def filled(expressions: Mapping[str, str], repository: Repository, event: Event) -> dict[str, str]:
    """Return texts with their expressions filled in by act, as GitHub does for an environment."""
    folder = repository.folder.with_name(f"{repository.folder.name}-filled")
    folder.mkdir(exist_ok=True)
    step = {"run": "python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'", "env": dict(expressions)}
    made = {"on": event.name, "jobs": {"fill": {"runs-on": RUNNERS[0], "steps": [{"name": "Print", **step}]}}}
    (folder / "fill.yml").write_text(yaml.safe_dump(made), "utf-8")
    found = json.loads(play(str(folder / "fill.yml"), repository, event).step("Print").said)
    return {name: found.get(name, "") for name in expressions}


def _plain_path(path: str) -> str:
    """Return a path of programs without those of this environment, which a workflow has to add itself."""
    return ":".join(one for one in path.split(":") if Path(one).resolve() != ACT.parent.resolve())


def _passed_on(env: Mapping[str, str]) -> dict[str, str]:
    """Return what programs of a test need of the environment: act hands on the path and the home alone."""
    return {name: text for name, text in env.items() if name not in {"PATH", "HOME", "_"}}


def _command(workflow: Path, event: Event, desk: Path, env: Mapping[str, str]) -> list[str]:
    stand_ins = {(one["action"], one["ref"]): one["name"] for path in WORKFLOWS.glob("*.yml") for one in _used(path)}
    pairs = (
        *(("--platform", f"{runner}=-self-hosted") for runner in RUNNERS),
        *(("--local-repository", f"{action}@{ref}={ACTIONS / name}") for (action, ref), name in stand_ins.items()),
        *(("--env", f"{name}={text}") for name, text in env.items()),
        *(("--var", f"{name}={text}") for name, text in event.variables.items()),
        *(("--secret", f"{name}={text}") for name, text in event.secrets.items()),
    )
    places = ["--eventpath", str(desk / "event.json"), "--action-cache-path", str(desk / "act")]
    offline = ["--action-offline-mode", "--no-cache-server", "--bind", "--no-skip-checkout", "--json"]
    words = [str(ACT), event.name, "--workflows", str(workflow), "--actor", event.actor, "--concurrent-jobs", "1"]
    return [*words, *places, *offline, *(word for pair in pairs for word in pair)]


def _used(path: Path) -> Iterator[re.Match[str]]:
    return USED.finditer(path.read_text("utf-8"))


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _steps(lines: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Yield the steps in order; of a step's lines, those that it printed are kept, commands to the runner as well."""
    said: dict[tuple[str, str], str] = {}
    codes: dict[tuple[str, str], int] = {}
    for line in lines:
        if line.get("stage") != "Main":
            continue
        key = (line["job"], line["step"])
        said.setdefault(key, "")
        if line.get("raw_output"):
            said[key] += line["msg"]
        elif "raw" in line:
            said[key] += line["raw"]
        elif "stepResult" in line:
            codes[key] = {"success": 0, "skipped": 0}.get(line["stepResult"], 1)
        elif codes.get(key) and (ended := ENDED.fullmatch(line["msg"])):
            codes[key] = int(ended[1])
    for (job, name), code in codes.items():
        yield Step(job, name, code, said[job, name])


def _jobs(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for line in lines:
        if "jobResult" in line:
            yield line["jobID"], line.get("matrix") or {}, line["jobResult"]

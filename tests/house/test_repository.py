"""Consistency of the repository: license, pins, addresses, paths, commands, settings."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from petmood.cli.app import petmood
from petmood.configs.load import compose
from tests.support.source_tree import ROOT, modules, shown, tracked
from tests.support.workflows import WORKFLOWS, loaded

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""The SHA-256 of the license's text as its authors publish it."""

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic"}
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:work|root|tmp|home)/\w")
REGISTRY = re.compile(r"https?://\S*(?:regist|simple/|pyp|whl)|--(?:extra-)?index-url|--find-links")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\w+=\S+ )*(?P<tool>make|petmood)\b(?P<rest>[^#\n|;&]*)", re.MULTILINE)
EXPERIMENTS = sorted((ROOT / "src/petmood/configs/experiment").glob("*.yaml"))


def pyproject() -> dict[str, Any]:
    """Return the project's settings."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements() -> list[Requirement]:
    """Return every requirement of the project: its own, its extras', its build's."""
    project = pyproject()["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        pyproject()["build-system"]["requires"],
    ]
    every = [Requirement(text) for some in lists for text in some]
    return [requirement for requirement in every if requirement.name != project["name"]]


def pins() -> dict[str, list[str]]:
    """Return the pinned versions by package; several where they differ by platform or Python."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        pin = Requirement(line)
        (exact,) = pin.specifier
        assert exact.operator == "=="
        found.setdefault(canonicalize_name(pin.name), []).append(exact.version)
    return found


def texts() -> list[tuple[str, str]]:
    """Return every tracked text file but the license, this test and the pins, with its name."""
    found = []
    for path in tracked():
        if path not in {Path(__file__).resolve(), ROOT / "LICENSE"}:
            try:
                found.append((shown(path), path.read_text("utf-8")))
            except UnicodeDecodeError:
                continue
    return found


def shell_blocks(text: str) -> str:
    """Return what stands in the fenced shell blocks of a page, lines joined where they go on."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    shell = [block for language, block in blocks if language in {"", "bash", "sh", "shell", "console"}]
    return "\n".join(shell).replace("\\\n", " ")


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def has_verb(words: list[str]) -> bool:
    """Tell whether these words begin with a verb of the command line, such as ``data import``."""
    command: click.Command | None = petmood
    for word in words:
        if not isinstance(command, click.Group):
            return True
        if word.startswith("-"):
            return True
        command = command.get_command(click.Context(command), word)
        if command is None:
            return False
    return True


def test_the_licence_is_the_one_that_the_project_names() -> None:
    assert pyproject()["project"]["license"] == "Apache-2.0"
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0


def test_every_requirement_has_a_pin_that_satisfies_it() -> None:
    pinned = {name: {Version(version) for version in versions} for name, versions in pins().items()}
    stale = [
        str(requirement)
        for requirement in requirements()
        if not any(map(requirement.specifier.contains, pinned.get(canonicalize_name(requirement.name), ())))
    ]
    assert stale == [], "run: make pins"


def test_no_committed_file_names_a_path_of_one_machine() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_no_committed_file_names_the_address_of_a_registry() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in REGISTRY.finditer(text)]
    assert found == []


def test_images_are_committed_for_the_documentation_and_the_pages_drawn_examples_alone() -> None:
    allowed = ("docs/", "src/petmood/frontend/examples/")
    images = [shown(path) for path in tracked() if path.suffix.lower() in IMAGES]
    assert [name for name in images if not name.startswith(allowed)] == []


def test_no_committed_file_is_large() -> None:
    assert [shown(path) for path in tracked() if path.stat().st_size > 1_000_000] == []


def test_the_targets_that_pages_name_exist() -> None:
    """Calls of petmood are parsed in test_docs.py."""
    unknown = []
    for path in tracked():
        if path.suffix == ".md":
            for match in COMMAND.finditer(shell_blocks(path.read_text("utf-8"))):
                words = [word for word in match["rest"].split() if word.lower() == word]
                if match["tool"] == "make" and words and words[0] not in targets():
                    unknown.append(f"{shown(path)}: {match[0].strip()}")
    assert unknown == []


@pytest.mark.parametrize(
    ("target", "extras"),
    [("run", "train,page"), ("serve", "train,page"), *((name, "dev") for name in ("setup", "lint", "test", "bench"))],
)
def test_a_target_installs_no_more_than_it_needs_and_quietly(target: str, extras: str) -> None:
    command = ["make", "--no-print-directory", "-n", "-W", "pyproject.toml", target, "TORCH=cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (install,) = [line for line in done.stdout.splitlines() if " pip install " in line and "--editable" in line]
    assert f"'.[{extras}]'" in install
    assert "--quiet" in install
    assert "--constraint constraints.txt" in install
    assert "--torch-backend cpu" in install


def test_make_help_lists_every_target_once_with_what_it_does() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert sorted(name for _, name, _ in lines) == sorted(targets())


@pytest.mark.parametrize("target", sorted(targets()))
def test_every_target_can_be_made(target: str) -> None:
    """Nothing is run: make reads the recipe and all that it depends on."""
    command = ["make", "--no-print-directory", "-n", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_composes(path: Path) -> None:
    compose([f"experiment={path.stem}"])


@pytest.mark.parametrize("folder", ["src/petmood", "tests", "benchmarks"])
def test_every_python_file_ends_with_one_newline_and_has_no_tab(folder: str) -> None:
    for path in modules(f"{folder}/"):
        text = path.read_text("utf-8")
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), shown(path)
        assert "\t" not in text, shown(path)


def test_every_owned_path_exists_and_every_owner_is_one() -> None:
    for line in (ROOT / ".github/CODEOWNERS").read_text("utf-8").splitlines():
        pattern, *owners = line.partition("#")[0].split() or ["*", "@nobody"]
        assert pattern == "*" or (ROOT / pattern.strip("/")).exists(), line
        assert owners, line
        assert all(re.fullmatch(r"@[\w-]+(/[\w-]+)?", owner) for owner in owners), line


def jobs_of_every_pull_request() -> set[str]:
    """Return the names of the jobs that run for each pull request, whatever it changes."""
    found = set()
    for path in WORKFLOWS.glob("*.yml"):
        workflow = loaded(path)
        if "pull_request" in workflow["on"] and not workflow["on"]["pull_request"]:
            found |= {job.get("name", key) for key, job in workflow["jobs"].items()}
    return found


def test_the_rules_of_main_ask_for_a_review_and_for_jobs_that_every_pull_request_runs() -> None:
    ruleset = json.loads((ROOT / ".github/rulesets/main.json").read_text("utf-8"))
    rules = {rule["type"]: rule.get("parameters", {}) for rule in ruleset["rules"]}
    assert (ruleset["target"], ruleset["enforcement"], ruleset["bypass_actors"]) == ("branch", "active", [])
    assert ruleset["conditions"]["ref_name"]["include"] == ["~DEFAULT_BRANCH"]
    assert {"deletion", "non_fast_forward", "pull_request", "required_status_checks"} <= set(rules)
    assert rules["pull_request"]["required_approving_review_count"] >= 1
    checks = [check["context"] for check in rules["required_status_checks"]["required_status_checks"]]
    assert "test" in checks
    assert set(checks) <= jobs_of_every_pull_request()


def test_every_hook_runs_a_pinned_tool_and_fetches_nothing() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    hooks = settings["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} <= {"system", "pygrep", "fail"}
    system = [hook["entry"] for hook in hooks if hook["language"] == "system"]
    assert all(entry.startswith(".venv/bin/") for entry in system)

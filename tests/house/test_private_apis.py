"""Private APIs of libraries: every use is listed, pinned by a test, and bounded by a version."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.source_tree import ROOT, modules, parsed, shown

SOURCES = modules("src/", "tests/", "benchmarks/", "examples/")
OURS = ("petmood", "tests", "benchmarks", "examples")
PUBLIC = {"os._exit"}
"""Documented in spite of the underscore."""
PRIVATE_MODULE = re.compile(r"(^|\.)(_[a-z]\w*|internal)(\.|$)|^wandb\.(sdk|proto|wandb_agent)\b")
"""A module with an underscore, or below W&B's public names, all of which are in ``wandb`` itself."""
EXPERIMENTAL = "x_"
"""Prefix of the settings that W&B may change in any version."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a private API: where it is, why nothing public does, and the test that fails if it changes."""

    file: str
    api: str
    package: str
    why: str
    pinned_by: str


WANDB_TESTS = "tests/unit/training/tracking/test_wandb.py"
SWEEP_AGENTS = "tests/integration/test_sweep_agents.py"
NO_SERVER = "W&B's agent can't be run without W&B's server; its command line is built by it alone"
STATISTICS = "no public setting keeps W&B from collecting facts about the machine"
USES = (
    Use(
        "src/petmood/serving/protocol.py",
        "self._unset_keepalive_if_required",
        "uvicorn",
        "uvicorn has no limit on pipelined requests and no timeout for an unread body",
        "tests/unit/serving/test_protocol.py",
    ),
    Use(
        "src/petmood/serving/upgrades.py",
        "self._unset_keepalive_if_required",
        "uvicorn",
        "uvicorn loses the body of a request that offers an upgrade",
        "tests/unit/serving/test_upgrades.py",
    ),
    *(
        Use("src/petmood/training/tracking/wandb.py", name, "wandb", STATISTICS, WANDB_TESTS)
        for name in ("x_disable_meta=", "x_disable_stats=", "x_disable_machine_info=")
    ),
    *(
        Use(SWEEP_AGENTS, name, "wandb", NO_SERVER, SWEEP_AGENTS)
        for name in ("wandb.wandb_agent", "agent._sweep_command", "agent._command_run", "agent._run_processes")
    ),
    Use(
        "tests/support/wandb_files.py",
        "wandb.proto",
        "wandb",
        "W&B has no public reader of its offline files",
        WANDB_TESTS,
    ),
    *(
        Use(
            "tests/support/registries.py",
            name,
            "gcp-storage-emulator",
            "the emulator ignores the precondition that the registry stands on",
            "tests/unit/registry/test_gcs.py",
        )
        for name in ("objects._multipart_upload", "setattr _multipart_upload")
    ),
)


@cache
def our_names() -> frozenset[str]:
    """Return every name that the project itself defines."""
    found = set()
    for node in (node for path in SOURCES for node in ast.walk(parsed(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr) if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def is_private(name: str) -> bool:
    """Tell whether a name is private and not the project's own."""
    return name.startswith("_") and not name.startswith("__") and name not in our_names()


def private_uses(path: Path) -> Iterator[str]:
    """Yield every private API that a module uses."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in OURS:
            yield from (node.module or "" for _ in [0] if PRIVATE_MODULE.search(node.module or ""))
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if PRIVATE_MODULE.search(alias.name))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name == "Settings":
                yield from (f"{word.arg}=" for word in node.keywords if (word.arg or "").startswith(EXPERIMENTAL))
            yield from (f"{name} {text}" for text in texts if name in ("setattr", "getattr") and is_private(text))


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return every requirement in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return tuple(Requirement(text) for text in texts)


def test_no_private_api_is_used_that_is_not_listed() -> None:
    """Replace a new one by something public; else add it to USES, with a test and an upper bound on the version."""
    found = {(shown(path), use) for path in SOURCES for use in private_uses(path)}
    listed = {(use.file, use.api) for use in USES}
    found = {(file, use) for file, use in found if use not in PUBLIC}
    assert sorted(found - listed) == [], "these are not listed in USES"
    assert sorted(listed - found) == [], "these are not used any more: remove them from USES"


@pytest.mark.parametrize("package", sorted({use.package for use in USES}))
def test_the_version_of_a_library_whose_private_api_is_used_has_an_upper_bound(package: str) -> None:
    bounds = [one.specifier for one in requirements() if one.name == package]
    assert bounds, f"{package} is in pyproject.toml"
    for bound in bounds:
        assert any(one.operator in ("<", "<=", "==", "~=") for one in bound), f"{package}{bound}: add an upper bound"
        assert version(package) in bound


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.package} {use.api}")
def test_a_private_api_has_a_reason_and_a_test(use: Use) -> None:
    assert use.why
    assert (ROOT / use.pinned_by).is_file()


def test_the_scan_finds_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(
        "import os\nimport a._b.c\nfrom hydra._internal.core import x\nfrom y import _z\n"
        "trial._trial_id_of_optuna\nSettings(x_new=1)\nmonkeypatch.setattr(y, '_hidden_part', 1)\nos._exit(0)\n",
        "utf-8",
    )
    assert set(private_uses(path)) == {
        "a._b.c",
        "hydra._internal.core",
        "y._z",
        "trial._trial_id_of_optuna",
        "x_new=",
        "setattr _hidden_part",
        "os._exit",
    }

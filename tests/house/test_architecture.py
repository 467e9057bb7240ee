"""The diagrams of docs/architecture.md against the code."""

import ast
import itertools
import re

from tests.support.source_tree import ROOT, modules, parsed

BLOCKS = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text("utf-8"), re.DOTALL)
SOURCE = ROOT / "src/petmood"


def edges(block: str) -> set[tuple[str, str]]:
    """Return the arrows of a flowchart whose nodes are bare words: ``a --> b & c --> d``."""
    found: set[tuple[str, str]] = set()
    for line in block.splitlines():
        steps = [re.findall(r"\w+", step) for step in line.split("-->")]
        found |= {(a, b) for before, after in itertools.pairwise(steps) for a in before for b in after}
    return found


def imports() -> set[tuple[str, str]]:
    """Return which package imports which, by the modules' own import statements, late ones too."""
    found: set[tuple[str, str]] = set()
    for path in modules("src/petmood/"):
        package = path.relative_to(SOURCE).parts[0]
        for node in ast.walk(parsed(path)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {(package, name.split(".")[1]) for name in names if name.startswith("petmood.")}
    return found


def test_every_arrow_between_packages_is_an_import_in_the_code() -> None:
    drawn = edges(BLOCKS[1])
    assert len(drawn) > 20
    assert drawn - imports() == set()


def test_every_package_with_code_is_drawn() -> None:
    drawn = {name for pair in edges(BLOCKS[1]) for name in pair}
    packages = {path.relative_to(SOURCE).parts[0] for path in modules("src/petmood/") if path.stem != "__init__"}
    assert {name for name in packages if (SOURCE / name).is_dir()} - drawn == set()


def test_every_step_of_a_photo_is_a_module() -> None:
    named = re.findall(r'\["([\w/]+):', BLOCKS[0])
    assert len(named) > 10
    assert [name for name in named if not (SOURCE / f"{name}.py").is_file()] == []

"""Rules on module size, names, imports and mirrored tests."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, functions, modules, parsed, shown, tracked

MODULE_LINES = 300
FUNCTION_LINES = 50
BANNED = {"my", "util", "utils", "manager", "helper", "helpers"}
PRIVATE = {"mood", "moods", "kin", "crew", "teller", "straddle", "straddles", "spoilt", "litter", "unsure"}
SOURCES = modules("src/", "benchmarks/")


def words_of(name: str) -> set[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def is_banned(name: str) -> bool:
    """Tell whether a name says nothing about what it names."""
    return bool(words_of(name) & BANNED) or "process_data" in name.lower()


def test_there_is_a_house_to_look_at() -> None:
    assert len(SOURCES) > 10


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    too_long = [
        f"{shown(path)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for path in SOURCES
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert too_long == []


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(parsed(path)) or "").partition("\n")[0]


def test_every_module_is_named_in_a_plain_first_line() -> None:
    """A phrase of at most 25 words: no question, and none of the words that only this project knew."""
    lines = {shown(path): first_line(path) for path in (*SOURCES, *modules("tests/", "examples/"))}
    asks = [name for name, line in lines.items() if "?" in line or not line]
    long = [name for name, line in lines.items() if len(line.split()) > 25]
    private = [name for name, line in lines.items() if set(re.findall(r"[a-z]+", line.lower())) & PRIVATE]
    assert (asks, long, private) == ([], [], [])


def offers_something(path: Path) -> bool:
    """Tell whether a module defines a public name."""
    names: list[str] = []
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return any(not name.startswith("_") for name in names)


def test_every_module_that_offers_something_lists_it() -> None:
    listed = re.compile(r"^__all__ = \[", re.MULTILINE)
    unlisted = [
        shown(path) for path in SOURCES if offers_something(path) and not listed.search(path.read_text("utf-8"))
    ]
    assert unlisted == []


def test_no_name_is_empty_of_meaning() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [(shown(path), path.stem) for path in modules("src/", "benchmarks/", "tests/")]
    names += [
        (shown(path), node.name)
        for path in modules("src/", "benchmarks/")
        for node in ast.walk(parsed(path))
        if isinstance(node, kinds)
    ]
    assert [f"{where}: {name}" for where, name in names if is_banned(name)] == []


@pytest.mark.parametrize("name", ["MyModel", "io_utils", "DataManager", "helper", "process_data", "Util"])
def test_the_rule_on_names_catches_what_it_should(name: str) -> None:
    assert is_banned(name)


@pytest.mark.parametrize("name", ["myopia", "DatasetUtility", "processed", "salami"])
def test_the_rule_on_names_lets_good_names_pass(name: str) -> None:
    assert not is_banned(name)


def test_no_import_is_relative() -> None:
    relative = [
        f"{shown(path)}:{node.lineno}"
        for path in modules("src/", "tests/", "benchmarks/")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_module_has_its_mirrored_unit_test() -> None:
    """Verbs are tested by what they do together, so the command line is free to group its tests."""
    unmirrored = []
    for path in modules("src/petmood/"):
        package = path.relative_to(ROOT / "src/petmood").parent
        mirrored = ROOT / "tests/unit" / package / f"test_{path.stem}.py"
        if not path.stem.startswith("__") and package.parts[:1] != ("cli",) and mirrored not in tracked():
            unmirrored.append(f"{shown(path)} -> {shown(mirrored)}")
    assert unmirrored == []


def test_every_unit_test_mirrors_a_module() -> None:
    strays = []
    for path in modules("tests/unit/"):
        package = path.relative_to(ROOT / "tests/unit").parent
        mirrored = ROOT / "src/petmood" / package / f"{path.stem.removeprefix('test_')}.py"
        if path.stem.startswith("test_") and package.parts[:1] != ("cli",) and mirrored not in tracked():
            strays.append(f"{shown(path)} -> {shown(mirrored)}")
    assert strays == []

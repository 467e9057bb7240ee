"""Rules for Windows and macOS: what only POSIX has is asked for before it is used, and such tests are marked."""

import ast
import re
from pathlib import Path

from tests.support.source_tree import ROOT, modules, parsed, shown, tracked

POSIX_ONLY = re.compile(
    r"os\.(?:mkfifo|fork|getuid|geteuid|kill|killpg|setsid|nice)\b|signal\.SIG(?:KILL|STOP|CONT|HUP|USR1)"
    r"|import (?:fcntl|pty|resource|pwd)\b|\bpass_fds\b|\bpreexec_fn\b|\.chmod\(|\"/proc/|\"/dev/|AF_UNIX"
    r"|\[\"(?:sh|bash)\","
)
TESTS = [path for path in tracked() if path.name.startswith("test_") and path.suffix == ".py"]


def unmarked(path: Path) -> list[ast.FunctionDef]:
    """Return the tests of a module that use what only POSIX has, and don't carry the marker."""
    text = path.read_text("utf-8")
    module = "\n".join(line for line in text.splitlines() if line.startswith("pytestmark"))
    if "mark.posix" in module:
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            body = ast.get_source_segment(text, node) or ""
            if POSIX_ONLY.search(body) and "mark.posix" not in marks:
                found.append(node)
    return found


def test_a_test_that_needs_posix_says_so() -> None:
    assert [f"{shown(path)}: {node.name}" for path in TESTS for node in unmarked(path)] == []


def test_no_command_goes_through_a_shell() -> None:
    found = [
        f"{shown(path)}:{node.lineno}"
        for path in (*modules("src/", "benchmarks/"), *TESTS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and (
            any(one.arg == "shell" and getattr(one.value, "value", None) is True for one in node.keywords)
            or ast.unparse(node.func) == "os.system"
        )
    ]
    assert found == []


def encoded(call: ast.Call) -> bool:
    """Tell whether a call that reads or writes text names the encoding, by keyword or in its place."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    place = {"read_text": 0, "write_text": 1}[name]
    return len(call.args) > place or any(one.arg == "encoding" for one in call.keywords)


def test_every_text_file_of_the_source_is_read_and_written_in_a_named_encoding() -> None:
    found = [
        f"{shown(path)}:{node.lineno}"
        for path in modules("src/", "benchmarks/", "examples/")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"read_text", "write_text"}
        and not encoded(node)
    ]
    assert found == []


def test_the_marker_is_one_that_pytest_knows() -> None:
    assert '"posix: ' in (ROOT / "pyproject.toml").read_text("utf-8")

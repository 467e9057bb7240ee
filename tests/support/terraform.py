"""Terraform files as data, and their check against the schema of the Google provider in a Python package.

This is no ``terraform validate``: expressions are not evaluated, and types of values are not compared. It finds
arguments and blocks that the provider doesn't have, those that it requires, and blocks that may occur once.
"""

import ast
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import hcl2

META: Final = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner"}
MARK: Final = "__is_block__"
PACKAGE: Final = "cdktn_provider_google"
REFERENCE: Final = re.compile(r"(?<![\w.\"])((?:data\.)?google_\w+\.\w+|var\.\w+|local\.\w+)")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A resource or data source: its type, its name and its body."""

    kind: str
    type: str
    name: str
    body: Body


def read_folder(folder: Path) -> dict[str, list[Any]]:
    """Return the blocks of all files of a folder by their kind."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.tf")):
        for kind, blocks in hcl2.loads(path.read_text("utf-8")).items():
            found.setdefault(kind, []).extend(blocks)
    return found


def resources(parsed: Mapping[str, list[Any]]) -> Iterator[Block]:
    """Yield the resources and data sources."""
    for kind in ("resource", "data"):
        for block in parsed.get(kind, []):
            for type_, named in items(block):
                for name, body in items(named):
                    yield Block(kind, type_, name, body)


def items(block: Body) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a parsed block, names without their quotes."""
    for name, value in block.items():
        if not name.startswith("__"):  # marks of blocks and comments
            yield name.strip('"'), value


def declared(parsed: Mapping[str, list[Any]]) -> set[str]:
    """Return what expressions may refer to: ``var.a``, ``local.b``, ``google_c.d``, ``data.google_e.f``."""
    names = {f"{'data.' if one.kind == 'data' else ''}{one.type}.{one.name}" for one in resources(parsed)}
    names |= {f"var.{name}" for block in parsed.get("variable", []) for name, _ in items(block)}
    return names | {f"local.{name}" for block in parsed.get("locals", []) for name, _ in items(block)}


def references(text: str) -> set[str]:
    """Return the variables, locals and resources that the text of files refers to, comments left out."""
    lines = [line.partition(" #")[0] for line in text.splitlines() if not line.lstrip().startswith("#")]
    return set(REFERENCE.findall("\n".join(lines)))


@dataclass(frozen=True)
class ProviderSchema:
    """The arguments of the provider's resources, read from the package's source without importing it."""

    wheel: Path

    def problems(self, block: Block) -> list[str]:
        """Return the unknown, missing and repeated arguments of a resource or data source."""
        module = block.type.removeprefix("google_")
        module = f"data_google_{module}" if block.kind == "data" else module
        classes = self._classes(module)
        if classes is None:
            return [f"{block.type}: no such {block.kind}"]
        (top,) = (name for name in classes if name.endswith("Config") and "for_each" in classes[name])
        return list(_problems(block.body, top, classes, f"{block.type}.{block.name}", known=META))

    def _classes(self, module: str) -> dict[str, dict[str, tuple[bool, str]]] | None:
        try:
            source = self._archive.read(f"{PACKAGE}/{module}/__init__.py")
        except KeyError:
            return None
        found = {}
        for node in ast.parse(source).body:
            for function in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(function, ast.FunctionDef) and function.name == "__init__" and function.args.kwonlyargs:
                    assert isinstance(node, ast.ClassDef)
                    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
                    found[node.name] = {one.arg: (default is None, _text(one.annotation)) for one, default in pairs}
        return found

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.wheel)


def _text(annotation: ast.expr | None) -> str:
    return ast.unparse(annotation) if annotation is not None else ""


def _problems(
    body: Body, name: str, classes: Mapping[str, Mapping[str, tuple[bool, str]]], at: str, *, known: set[str]
) -> Iterator[str]:
    arguments = classes[name]
    given = _with_dynamic(body)
    yield from (f"{at}: unknown argument {one!r}" for one in given if one not in {*arguments, *known})
    for one, (is_required, annotation) in arguments.items():
        if one in known:
            continue
        if one not in given:
            if is_required:
                yield f"{at}: missing argument {one!r}"
            continue
        blocks = given[one] if isinstance(given[one], list) else []
        blocks = [block for block in blocks if isinstance(block, dict) and MARK in block]
        inner = next((found for found in re.findall(r"'(\w+)'", annotation) if found in classes), None)
        if blocks and inner is None:
            yield f"{at}: {one!r} is an argument and no block"
        elif inner is not None:
            if not blocks:
                yield f"{at}: {one!r} is a block and no argument"
            if len(blocks) > 1 and "Sequence" not in annotation:
                yield f"{at}: block {one!r} may occur once"
            for block in blocks:
                yield from _problems(block, inner, classes, f"{at}.{one}", known=set())


def _with_dynamic(body: Body) -> Body:
    """Return a body with the content of its dynamic blocks as blocks."""
    found: Body = {name: value for name, value in items(body) if name != "dynamic"}
    for block in body.get("dynamic", []):
        for name, dynamic in items(block):
            found[name] = [*found.get(name, []), *dynamic["content"]]
    return found

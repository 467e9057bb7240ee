"""Reference pages of the site, written from the code: commands, settings, HTTP, metrics and Python."""

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import click
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import petmood
from petmood.cli.app import VERBS
from petmood.cli.app import petmood as program
from petmood.core.schemas import ModelInfo
from petmood.monitoring.drift_api import DriftMetrics
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.settings import Settings
from tests.support.source_tree import ROOT

if TYPE_CHECKING:
    from petmood.monitoring.drift.monitor import DriftMonitor

NOTE: Final = "Written from the code by `make docs`; a test compares them."
SETTINGS_TEXT: Final = """\
Each is an environment variable of `petmood serve`. [Serving](../serving.md#settings) says why each has its default.
The settings of a training are shown by `petmood config`."""
METRICS_TEXT: Final = """\
`GET /metrics` of a service, and of the drift API (`petmood monitor serve`), has them.
The alerts that are built on them are in [Monitoring](../monitoring.md#alerts)."""
OPENAPI: Final = ROOT / "tests/unit/serving/openapi.json"
"""The OpenAPI document, which a unit test compares with that of the service."""
MODEL: Final = ModelInfo(name="demo", version="1", sha256="0" * 64)
"""A model by whose metrics the labels are listed."""


def cell(text: object) -> str:
    """Return a text for a table's cell: one line, without the separator of cells."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def plain(docstring: str | None) -> str:
    """Return a docstring as Markdown: code marks of one backtick, sections as paragraphs."""
    text = inspect.cleandoc(docstring or "").replace("``", "`").partition("\f")[0]
    text = re.sub(r"^(Raises|Args|Returns|Yields):\n", r"\1:\n\n", text, flags=re.MULTILINE)
    return re.sub(r"^ {4}([\w, ]+): ", r"- `\1`: ", text, flags=re.MULTILINE)


def table(*header: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table, or nothing if it has no row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(header)} |", "|---" * len(header) + "|", *lines, ""]) if lines else ""


def walk(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield a command and all below it with the words that call them, hidden ones left out."""
    yield path, command
    if isinstance(command, click.Group):
        for name in VERBS if command is program else command.commands:
            found = command.get_command(click.Context(command), name)
            if found is not None and not found.hidden:
                yield from walk(found, *path, name)


def commands_page() -> str:
    """Return the page of every command, with its options and defaults."""
    parts = [
        "# Commands",
        NOTE,
        "Every command has `--help`. Exit codes: 0, 1 for findings, 2 for errors, 3 for a refusal.",
    ]
    for path, command in walk(program, "petmood"):
        context = click.Context(command, info_name=" ".join(path))
        pieces = " ".join(command.collect_usage_pieces(context))
        options = table("option", "meaning", "default", rows=option_rows(command, context))
        parts += [f"## {' '.join(path)}", f"`{' '.join(path)} {pieces}`", plain(command.help), options]
    return joined(parts)


def option_rows(command: click.Command, context: click.Context) -> Iterator[tuple[str, ...]]:
    """Yield name, meaning and default of the options of a command."""
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            takes = "" if option.is_flag else f" {option.make_metavar(context)}"
            names = " / ".join(filter(None, (", ".join(option.opts), ", ".join(option.secondary_opts)))) + takes
            has_default = isinstance(option.default, str | int | float | Path) and not option.is_flag
            default = f"`{cell(option.default)}`" if has_default and option.default != "" else ""
            yield f"`{names}`".replace("|", "\\|"), cell(option.help or ""), default


def settings_page() -> str:
    """Return the page of the settings of a service."""
    rows = (
        (f"`{variable(name, field)}`", cell(field.description or ""), default_of(field), limits_of(field))
        for name, field in Settings.model_fields.items()
    )
    return joined(
        [
            "# Settings of a service",
            NOTE,
            SETTINGS_TEXT,
            table("variable", "meaning", "default", "allowed", rows=rows),
        ]
    )


def variable(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    return str(field.validation_alias or f"PETMOOD_{name.upper()}")


def default_of(field: FieldInfo) -> str:
    """Return the default of a setting for people; None and nothing are both none."""
    value = field.default
    return "none" if value in (None, ()) else f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def limits_of(field: FieldInfo) -> str:
    """Return the smallest and the largest number that a setting may have."""
    found = {name: getattr(fact, name) for fact in field.metadata for name in ("ge", "le") if hasattr(fact, name)}
    if len(found) == 2:
        return f"{found['ge']:g} to {found['le']:,.10g}"
    return "a secret" if SecretStr in get_args(field.annotation) else ""


def http_page() -> str:
    """Return the page of the routes, with their responses and the fields of these."""
    document = json.loads(OPENAPI.read_text("utf-8"))
    parts = [
        "# HTTP",
        NOTE,
        "A running service has the same at `/docs`, with a form to try it, and at `/openapi.json`.",
    ]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            bodies = ", ".join(f"`{kind}`" for kind in route.get("requestBody", {}).get("content", {}))
            answers = ((status, cell(answer["description"])) for status, answer in sorted(route["responses"].items()))
            parts += [f"## {method.upper()} {path}", plain(route["description"]), f"Body: {bodies}." if bodies else ""]
            parts += [table("status", "when", rows=answers)]
    parts.append("## Fields of the answers")
    for name, schema in document["components"]["schemas"].items():
        required = set(schema.get("required", ()))
        rows = (
            (f"`{field}`", cell(kind_of(facts)), "always" if field in required else "may be missing")
            for field, facts in schema["properties"].items()
        )
        parts += [f"### {name}", plain(schema.get("description")), table("field", "type", "present", rows=rows)]
    return joined(parts)


def kind_of(facts: Mapping[str, Any]) -> str:
    """Return the type of a field of JSON in words."""
    if "anyOf" in facts:
        return " or ".join(kind_of(one) for one in facts["anyOf"])
    if "$ref" in facts:
        return str(facts["$ref"]).rpartition("/")[2]
    if "enum" in facts:
        return ", ".join(json.dumps(value) for value in facts["enum"])
    if facts.get("type") == "array":
        return f"array of {kind_of(facts.get('items', {}))}"
    return str(facts.get("type", "any"))


def metrics_page() -> str:
    """Return the page of the metrics of a service and of the drift API."""
    rows = sorted(metric_row(one) for one in (*service_metrics(), *drift_metrics()))
    return joined(
        [
            "# Metrics",
            NOTE,
            METRICS_TEXT,
            table("metric", "kind", "labels", "meaning", rows=rows),
        ]
    )


def service_metrics() -> Iterable[Metric]:
    """Return the metrics of a service that has answered a request, so that all labels are there."""
    metrics = ServiceMetrics()
    metrics.serves(MODEL, classes=["happy"])
    metrics.finished(method="POST", route="/predict", status=200, seconds=0.1)
    return text_string_to_metric_families(metrics.render().decode())


def drift_metrics() -> Iterable[Metric]:
    """Return the metrics of a drift API with one bundle."""
    bundle = SimpleNamespace(tester=SimpleNamespace(bundle=MODEL), alert=SimpleNamespace(active=False))
    monitor = SimpleNamespace(bundles=[bundle], counts=Counter())
    return DriftMetrics(cast("DriftMonitor", monitor)).collect()


def metric_row(metric: Metric) -> tuple[str, ...]:
    """Return name, kind, labels and meaning of a metric."""
    labels = sorted({name for sample in metric.samples for name in sample.labels} - {"le"})
    name = f"`{metric.name}{'_total' if metric.type == 'counter' else ''}`"
    return name, metric.type, ", ".join(f"`{label}`" for label in labels), cell(metric.documentation)


def python_page() -> str:
    """Return the page of the public names of the package, with the docstrings of their methods."""
    parts = [
        "# Python",
        NOTE,
        "These are the names of `import petmood`. [From Python](../python.md) shows how to use them.",
    ]
    for name in petmood.__all__:
        found = getattr(petmood, name)
        if inspect.isclass(found):
            parts += [f"## {name}", plain(found.__doc__), *class_parts(found)]
        elif callable(found):
            parts += [f"## {name}", code(name, found), plain(found.__doc__)]
    return joined(parts)


def class_parts(found: type) -> Iterator[str]:
    """Yield the fields of a record, how a class is made, and its public methods and properties."""
    if dataclasses.is_dataclass(found):
        body = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
        assert isinstance(body, ast.ClassDef)
        fields = [node for node in body.body if isinstance(node, ast.AnnAssign)]
        rows = ((f"`{ast.unparse(node.target)}`", f"`{cell(ast.unparse(node.annotation))}`") for node in fields)
        yield table("field", "type", rows=rows)
    elif inspect.isfunction(made := inspect.getattr_static(found, "__init__")):
        yield code(found.__name__, made)
    for name, member in inspect.getmembers(found):
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__module__.startswith("petmood"):
            continue
        shown = f"`{name}`" if isinstance(member, property) else code(name, function)
        yield f"### {found.__name__}.{name}"
        yield from (shown, plain(function.__doc__))


def code(name: str, function: Callable[..., object]) -> str:
    """Return how a function is called, as its source has it."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = re.sub(r"^(self|cls)(, |$)", "", ast.unparse(node.args))
    waits = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    result = f" -> {ast.unparse(node.returns)}" if node.returns and name[0].islower() else ""
    return f"`{waits}{name}({arguments}){result}`"


def joined(parts: list[str]) -> str:
    """Join the paragraphs of a page."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "python.md": python_page,
}
"""The pages below ``docs/reference``, each with the function that writes it."""

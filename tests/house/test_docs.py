"""Pages of the documentation: their commands, their place in the navigation, and the reference from the code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from petmood.cli.app import petmood
from petmood.configs.load import compose
from petmood.core.errors import PetmoodError
from tests.house.test_repository import COMMAND, shell_blocks
from tests.support.reference import PAGES
from tests.support.source_tree import ROOT, modules, shown, tracked

MARKDOWN = [path for path in tracked() if path.suffix == ".md"]
COMPOSED = {"train", "run", "crossval", "retrain", "profile", "config"}
"""Commands whose words are overrides of settings alone."""


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of petmood in the shell blocks of a page."""
    for match in COMMAND.finditer(shell_blocks(text)):
        if match["tool"] == "petmood" and not match["rest"].startswith(":"):
            yield shlex.split(re.sub(r"\s\d?>.*", "", match["rest"]))


def parse(words: list[str]) -> None:
    """Parse a call as the command line does, without running it.

    Raises:
        click.UsageError: a command, an option or an argument is not there, missing or too much.
        ConfigError: an override names no setting, or has a value that is not allowed.
    """
    command: click.Command = petmood
    context = click.Context(command, info_name="petmood", **command.context_settings)
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    while isinstance(command, click.Group) and rest:
        name, *words = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"No such command {name!r}.")
        command, context = found, click.Context(found, info_name=name, parent=context)
        given, rest, _ = command.make_parser(context).parse_args(list(words))
    if rest:
        raise click.UsageError(f"Got unexpected arguments {rest}.")
    for needed in command.params:
        value = given.get(needed.name or "")
        if needed.required and not needed.envvar and not (isinstance(value, str | tuple | list) and value):
            raise click.MissingParameter(ctx=context, param=needed)
    if command.name in COMPOSED:
        compose([word.replace("HASH", "0" * 64) for word in given["overrides"] if "=" in word])


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_every_call_of_petmood_on_a_page_has_existing_commands_options_and_settings(path: Path) -> None:
    wrong = []
    for words in commands(path.read_text("utf-8")):
        try:
            parse(words)
        except (click.UsageError, PetmoodError) as error:
            wrong.append(f"petmood {shlex.join(words)}: {error}")
    assert wrong == []


@pytest.mark.parametrize(
    "words",
    [
        "serve bundles/x --telephone",
        "prediction",
        "data improt folder x",
        "predict",
        "train lerning_rate=1",
        "page x y",
    ],
)
def test_a_call_that_does_not_exist_is_found(words: str) -> None:
    (call,) = commands(f"```bash\npetmood {words}  # a comment\n```")
    with pytest.raises((click.UsageError, PetmoodError)):
        parse(call)


def test_the_calls_of_the_pages_are_found() -> None:
    assert sum(1 for path in MARKDOWN for _ in commands(path.read_text("utf-8"))) > 100


def entries(nav: Any) -> Iterator[str]:  # noqa: ANN401 - as YAML has it
    """Yield every page of the navigation."""
    if isinstance(nav, str):
        yield nav
    for value in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from entries(value)


def test_every_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    pages = [shown(path).removeprefix("docs/") for path in MARKDOWN if shown(path).startswith("docs/")]
    assert sorted(entries(nav)) == sorted(pages)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs/reference" / name).read_text("utf-8") == PAGES[name](), "run: make docs"


@pytest.mark.parametrize("name", ["commands.md", "settings.md", "metrics.md"])
def test_every_row_of_the_reference_says_what_it_means(name: str) -> None:
    lines = (ROOT / "docs/reference" / name).read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]
    meaning = {"commands.md": 1, "settings.md": 1, "metrics.md": 3}[name]
    assert len(rows) > 10
    assert [row[0] for row in rows if not row[meaning]] == []


def test_the_runbook_names_every_file_of_drills() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs/runbook.md").read_text("utf-8")))
    marked = {shown(path) for path in modules("tests/") if "mark.drill" in path.read_text("utf-8")} - {
        "tests/house/test_docs.py"
    }
    assert named == marked


def test_a_block_of_another_language_hides_no_call_after_it() -> None:
    page = '```json\n{"a": 1}\n```\n\ntext\n\n```bash\npetmood serve bundles/x\n```\n'
    assert list(commands(page)) == [["serve", "bundles/x"]]

"""Tests of options that are numbers, over every one of serve, page and loadtest."""

from collections.abc import Iterator

import click
import pytest

from petmood.cli.app import VERBS, main, petmood
from petmood.cli.numbers import Integer, Number

VALUES = ("inf", "nan", "-1", "1e309", "1_000", " 5 ", "\u0665", "five", "9" * 30, "")
ARGUMENTS = {"serve": ["bundle"], "page": [], "loadtest": ["http://127.0.0.1:1"]}


def numeric_options() -> Iterator[tuple[str, str]]:
    """Yield the verbs of the service and their options that are numbers."""
    for verb in ARGUMENTS:
        command = petmood.get_command(click.Context(petmood), verb)
        assert command is not None
        for option in command.params:
            if isinstance(option.type, click.IntRange | click.FloatRange):
                yield verb, option.opts[0]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("verb", "option"), list(numeric_options()))
def test_a_number_that_makes_no_sense_is_refused_with_the_option_and_the_value(
    capsys: pytest.CaptureFixture[str], verb: str, option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, *ARGUMENTS[verb], f"{option}={value}"])
    assert end.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"Error: Invalid value for '{option}'") or f"'{option}'" in error
    assert value in error or "1e+30 is not in the range" in error


def test_every_number_of_every_verb_is_of_these_kinds() -> None:
    """A number of click's own would take 1_000, and a fraction nan."""
    for verb in VERBS:
        command = petmood.get_command(click.Context(petmood), verb)
        assert command is not None
        commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
        for option in (option for one in commands for option in one.params):
            if isinstance(option.type, click.IntRange | click.FloatRange):
                assert isinstance(option.type, Integer | Number), (verb, option.name)


def test_numbers_as_people_write_them_are_taken() -> None:
    assert Integer(0, 9).convert("+5", None, None) == 5
    assert Integer(0, 9).convert(5, None, None) == 5
    assert Number(0, 9).convert("5e-1", None, None) == 0.5
    assert Number(0, 9).convert(0.5, None, None) == 0.5

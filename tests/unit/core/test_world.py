"""Places of processes by torchrun's variables: read, refused if they contradict each other, and one line for others."""

import pytest

from petmood.core.errors import ConfigError
from petmood.core.world import ALONE, World, read_world, refuse_several_processes

SECOND = {"WORLD_SIZE": "4", "RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def test_a_process_of_torchrun_knows_its_place() -> None:
    world = read_world(SECOND)
    assert world == World(rank=1, size=4, local_size=2)
    assert (world.is_first, world.machines) == (False, 2)
    assert read_world(SECOND | {"RANK": "0"}).is_first


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1"}, {"RANK": "3"}])
def test_without_other_processes_it_is_alone(environment: dict[str, str]) -> None:
    assert read_world(environment) == ALONE
    refuse_several_processes(environment, "sweep")


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE"])
@pytest.mark.parametrize("value", ["", "two", "-1"])
def test_a_variable_that_is_no_number_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"Expected a number in {name}, got '{value}'. Start the processes with"):
        read_world(SECOND | {name: value})


@pytest.mark.parametrize("wrong", [{"RANK": "4"}, {"LOCAL_WORLD_SIZE": "3"}, {"LOCAL_WORLD_SIZE": "0"}])
def test_variables_that_contradict_each_other_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="Expected RANK below WORLD_SIZE"):
        read_world(SECOND | wrong)


def test_the_first_process_alone_says_that_a_command_runs_in_one() -> None:
    with pytest.raises(ConfigError, match="`petmood sweep` runs in one process, and was started in 4"):
        refuse_several_processes(SECOND | {"RANK": "0"}, "sweep")
    with pytest.raises(SystemExit) as ended:
        refuse_several_processes(SECOND, "sweep")
    assert ended.value.code == ConfigError.exit_code

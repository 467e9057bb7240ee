"""Processes that train one network together, as torchrun numbers them in environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from petmood.core.errors import ConfigError

__all__ = ["ALONE", "World", "read_world", "refuse_several_processes"]


@dataclass(frozen=True, slots=True)
class World:
    """Place of this process among those that train together: ``rank`` of ``size``, ``local_size`` on each machine."""

    rank: int = 0
    size: int = 1
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        """The number of machines."""
        return self.size // self.local_size


ALONE: Final = World()


def read_world(environment: Mapping[str, str]) -> World:
    """Return the place of this process by torchrun's variables; without ``WORLD_SIZE`` it is alone.

    https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables

    Raises:
        ConfigError: a variable is missing or no number, or they contradict each other.
    """
    if environment.get("WORLD_SIZE", "1") == "1":
        return ALONE
    size, rank, local_size = (_number(environment, name) for name in ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE"))
    if not (0 <= rank < size and 0 < local_size <= size and size % local_size == 0):
        raise ConfigError(
            f"Expected RANK below WORLD_SIZE, and as many processes on each machine, got RANK={rank}, "
            f"WORLD_SIZE={size}, LOCAL_WORLD_SIZE={local_size}. Start the processes with torchrun."
        )
    return World(rank, size, local_size)


def refuse_several_processes(environment: Mapping[str, str], command: str) -> None:
    """Refuse to run a command in several processes of torchrun; only the first one says why.

    Raises:
        ConfigError: there are several.
        SystemExit: as above, in all processes but the first.
    """
    world = read_world(environment)
    if world.size == 1:
        return
    if not world.is_first:
        raise SystemExit(ConfigError.exit_code)
    raise ConfigError(
        f"`petmood {command}` runs in one process, and was started in {world.size}. Start it without torchrun; "
        "`petmood train` and `petmood run` train in several."
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not value.isdecimal():
        raise ConfigError(f"Expected a number in {name}, got {value!r}. Start the processes with torchrun.")
    return int(value)

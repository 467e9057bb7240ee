"""Aliases of one model in MLflow: MLflow's own aliases are the truth, and petmood's change records explain them.

MLflow lets any client set an alias at any time: the last one wins, and neither time nor author is kept. So a promotion
is recorded first. The record is an experiment with its tags: the one object that MLflow creates exclusively and
atomically, since its name is unique in the database. Then the alias is set, and the record is tagged as carried out.

- A record without this tag belongs to a writer at work or killed: the next reader carries it out.
- An alias that differs although every record is carried out was moved by somebody else: it is obeyed, and the history
  ends with a change of kind ``moved_outside``. The next promotion stores this change before its own.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from petmood.core.errors import RegistryConflict, RegistryError
from petmood.core.extras import require
from petmood.registry.base import ALIASES, PREVIOUS, AliasChange, new_nonce, replay

__all__ = ["CHANGE_TAG", "MlflowAliases", "missing_aliases", "outside_moves"]

logger = logging.getLogger(__name__)

CHANGE_TAG: Final = "petmood.change"
CARRIED_TAG: Final = "petmood.carried"
READS: Final = 20
"""Largest number of reads until one is not disturbed by a writer."""

Call = Callable[..., Any]
"""A function that calls MLflow and raises its errors as ``RegistryError``; ``passed`` is an error code to pass over."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A stored change, the experiment that holds it, and whether MLflow's aliases were set from it."""

    change: AliasChange
    experiment: str
    carried: bool


class MlflowAliases:
    """Change records and aliases of one model. Every method raises RegistryError if MLflow can't be used."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - MLflow is an extra
        call: Call,
        *,
        model: str,
        parse: Callable[[str], AliasChange],
    ) -> None:
        self._client, self._call, self._model, self._parse = client, call, model, parse
        self._prefix = f"petmood registry: {model}, change "

    def changes(self) -> Sequence[AliasChange]:
        """Return the changes that lead to MLflow's aliases, after carrying out those that a writer left behind.

        Raises:
            RegistryConflict: other writers change the aliases all the time.
        """
        stored, moves = self._read()
        return [*stored, *moves]

    def record(self, change: AliasChange) -> bool:
        """Store a change under its number and set the aliases; return False if others moved an alias first."""
        stored, moves = self._read()
        now = replay([*stored, *moves])
        if change.number != now.last + 1 or change.before != now.aliases.get(change.alias):
            return False
        noticed = [one.model_copy(update={"at": change.at, "nonce": new_nonce()}) for one in moves]
        if not all(self._create(one) for one in (*noticed, change)):
            return False
        try:
            self._read()
        except RegistryError as error:
            logger.warning("change %d of %s is recorded, but not read back: %s", change.number, self._model, error)
        return True

    def _read(self) -> tuple[list[AliasChange], list[AliasChange]]:
        """Return the stored changes, and the moves outside of the gate since."""
        for _ in range(READS):
            records, aliases = self._records(), self._aliases()
            changes = [one.change for one in records]
            missing = missing_aliases(changes, aliases, carried=_carried(records))
            if _carried(records) < len(records):
                try:
                    self._carry_out(records, missing)
                except RegistryError as error:  # the change is decided; the next one who reads carries it out
                    logger.warning("MLflow's aliases of %s lack change %d: %s", self._model, len(changes), error)
                    return changes, outside_moves(changes, {**aliases, **missing})
                continue
            moves = outside_moves(changes, aliases)
            if not moves or self._records() == records:  # else a writer was between the two reads
                return changes, moves
        raise RegistryConflict(f"Too many others change the aliases of {self._model} at this moment. Try again.")

    def _create(self, change: AliasChange) -> bool:
        """Create a record; return True too if it exists with our content: the response may have been lost."""
        name, tags = f"{self._prefix}{change.number:06}", {CHANGE_TAG: change.model_dump_json()}
        made = self._call(lambda: self._client.create_experiment(name, tags=tags), passed="RESOURCE_ALREADY_EXISTS")
        if made is not None:
            return True
        found = self._call(lambda: self._client.get_experiment_by_name(name))
        return found is not None and found.tags.get(CHANGE_TAG) == tags[CHANGE_TAG]

    def _records(self) -> list[_Record]:
        view = require("mlflow.entities", extra="mlflow").ViewType.ALL
        query, token = f"name LIKE '{self._prefix}%'", None
        found: list[Any] = []
        while token != "":
            page = self._call(partial(self._client.search_experiments, view, 1000, query, ["name ASC"], token))
            found += page
            token = page.token or ""
        mine = [one for one in found if one.name.startswith(self._prefix)]  # in LIKE, "_" matches any character
        return [
            _Record(self._parse(one.tags.get(CHANGE_TAG, "")), one.experiment_id, CARRIED_TAG in one.tags)
            for one in mine
        ]

    def _aliases(self) -> dict[str, int]:
        model = self._call(lambda: self._client.get_registered_model(self._model), passed="RESOURCE_DOES_NOT_EXIST")
        found = {} if model is None else model.aliases
        return {alias: int(number) for alias, number in found.items() if alias in (*ALIASES, PREVIOUS)}

    def _carry_out(self, records: Sequence[_Record], missing: Mapping[str, int]) -> None:
        """Set the aliases that MLflow lacks, then tag the records.

        A writer that was stopped before it set an alias may set it after a later change did. So the records are read
        again after setting, and the aliases set anew if there are more.
        """
        latest = records
        while True:
            for alias, number in missing.items():
                self._call(partial(self._client.set_registered_model_alias, self._model, alias, str(number)))
            before, latest = len(latest), self._records() if missing else latest
            if len(latest) == before:
                break
            decided = replay([one.change for one in latest]).aliases
            missing = {alias: decided[alias] for alias in missing if alias in decided}
        for one in records[_carried(records) :]:
            self._call(partial(self._client.set_experiment_tag, one.experiment, CARRIED_TAG, "true"))


def missing_aliases(changes: Sequence[AliasChange], aliases: Mapping[str, int], *, carried: int) -> dict[str, int]:
    """Return the aliases to set for the changes after the first ``carried`` ones.

    An alias with a value that it never had during these changes was moved by somebody since: it stays. A stored move
    outside of the gate is in MLflow already; at most ``previous``, which follows from it, is missing there.
    """
    pending = changes[carried:]
    states = [replay(changes[:number]).aliases for number in range(carried, len(changes) + 1)]
    begun = next((number for number, one in enumerate(pending) if one.kind != "moved_outside"), len(pending))
    return {
        alias: number
        for alias, number in states[-1].items()
        if aliases.get(alias) != number
        and any(aliases.get(alias) == state.get(alias) for state in states[0 if alias == PREVIOUS else begun :])
    }


def outside_moves(changes: Sequence[AliasChange], aliases: Mapping[str, int]) -> list[AliasChange]:
    """Return the moves that the changes do not explain: they lead to these aliases.

    ``previous`` follows a champion that was moved, unless somebody moved ``previous`` too.
    """
    expected = replay(changes).aliases
    moves: list[AliasChange] = []
    for alias in (*ALIASES, PREVIOUS):
        now, known = aliases.get(alias), replay([*changes, *moves]).aliases.get(alias)
        if now in (expected.get(alias), known):
            continue
        facts = {"author": "unknown", "reason": "", "at": "", "number": len(changes) + len(moves) + 1}
        moves.append(AliasChange(kind="moved_outside", alias=alias, to=now, before=known, **facts))
    return moves


def _carried(records: Sequence[_Record]) -> int:
    """Return how many records are carried out, counted up to the last one with the tag."""
    return max((number for number, one in enumerate(records, start=1) if one.carried), default=0)

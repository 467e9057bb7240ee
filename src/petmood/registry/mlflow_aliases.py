"""Aliases of one model in MLflow: MLflow's aliases are authoritative, and petmood's change records are their history.

In MLflow any client can set an alias at any time: the last write wins, and neither time nor author is stored. So a
promotion is recorded first. The record is an experiment with tags: the only object that MLflow creates exclusively and
atomically, since its name is unique in the database. Then the alias is set, and the record is tagged as applied.

- A record without this tag belongs to a running or killed writer: the next reader applies it.
- An alias that differs although every record is applied was changed by another client. The change is accepted, and the
  history ends with a change of kind ``moved_outside``. The next promotion stores this change before its own.
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
"""Maximum number of reads until one is not interrupted by a concurrent write."""

Call = Callable[..., Any]
"""A function that calls MLflow and raises its errors as ``RegistryError``; ``passed`` is an error code to ignore."""


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
        """Return the changes that lead to MLflow's aliases, after applying those of a killed writer.

        Raises:
            RegistryConflict: other clients changed the aliases during each read.
        """
        stored, moves = self._read()
        return [*stored, *moves]

    def record(self, change: AliasChange) -> bool:
        """Store a change under its number and set the aliases; return False if another client was first."""
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
            logger.warning(
                "change %d of %s is recorded, but could not be verified: %s", change.number, self._model, error
            )
        return True

    def _read(self) -> tuple[list[AliasChange], list[AliasChange]]:
        """Return the stored changes, and the changes made outside petmood since."""
        for _ in range(READS):
            records, aliases = self._records(), self._aliases()
            changes = [one.change for one in records]
            missing = missing_aliases(changes, aliases, carried=_carried(records))
            if _carried(records) < len(records):
                try:
                    self._carry_out(records, missing)
                except RegistryError as error:  # the change is recorded; the next reader applies it
                    logger.warning(
                        "change %d of %s is not yet in MLflow's aliases: %s", len(changes), self._model, error
                    )
                    return changes, outside_moves(changes, {**aliases, **missing})
                continue
            moves = outside_moves(changes, aliases)
            if not moves or self._records() == records:  # else a writer was between the two reads
                return changes, moves
        raise RegistryConflict(
            f"The aliases of {self._model} were changed by other clients during each of {READS} reads. Try again."
        )

    def _create(self, change: AliasChange) -> bool:
        """Create a record; also return True if it exists with the same content: the response may have been lost."""
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
        """Set the missing aliases in MLflow, then tag the records.

        A writer that was paused before setting an alias may set it after a later change did. So the records are read
        again afterwards, and the aliases are set again if there are new records.
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

    An alias with a value that it never had during these changes was changed by another client: it is kept. A stored
    change made outside petmood is in MLflow already; at most ``previous``, which is derived from it, is missing.
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
    """Return the changes made outside petmood: those that lead from the recorded changes to these aliases.

    ``previous`` follows a changed champion, unless a client changed ``previous`` too.
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
    """Return how many records are applied, counted up to the last one with the tag."""
    return max((number for number, one in enumerate(records, start=1) if one.carried), default=0)

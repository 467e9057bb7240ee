"""Tests of aliases in MLflow: changes made outside petmood, interrupted changes, and writers between two calls."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from petmood.cli.registry_tables import history_text
from petmood.core.errors import RegistryConflict, RegistryError
from petmood.registry.base import AliasChange, Author
from petmood.registry.mlflow_aliases import CHANGE_TAG, missing_aliases, outside_moves
from petmood.registry.uri import open_registry
from tests.support.registries import registry_address

MakeBundle = Callable[[str], Path]
ME = Author("me")


class Store:
    """A registry in MLflow with versions 1, 2 and 3, the first of which is champion, and MLflow's own client."""

    def __init__(self, address: str, make_bundle: MakeBundle) -> None:
        self.address = address
        self.registry = open_registry(address)
        self.client: Any = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
        for word in ("one", "two", "three"):
            self.registry.push(make_bundle(word), by="me")
        self.promote(1)

    def promote(self, number: int, *, alias: str = "champion") -> AliasChange:
        """Promote a version as one who has looked just now."""
        opened = open_registry(self.address)
        return opened.promote(opened.find(str(number)), alias=alias, by=ME, seen=opened.state())

    def move(self, alias: str, number: int) -> None:
        """Move an alias in MLflow's page."""
        self.client.set_registered_model_alias("petmood", alias, str(number))

    def shown(self) -> dict[str, int]:
        """Return the aliases in MLflow's page."""
        return {alias: int(number) for alias, number in self.client.get_registered_model("petmood").aliases.items()}

    def history(self) -> list[tuple[str, str, int | None, int | None]]:
        """Return every change as kind, alias, before and to."""
        return [(one.kind, one.alias, one.before, one.to) for one in open_registry(self.address).history()]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: MakeBundle) -> Iterator[Store]:
    """Return a registry in MLflow's SQLite, whose version 1 is champion."""
    with registry_address("mlflow", tmp_path, monkeypatch) as address:
        yield Store(address, make_bundle)


FIRST = ("promoted", "champion", None, 1)


def test_who_moves_an_alias_in_mlflow_is_obeyed_and_the_history_says_so(store: Store) -> None:
    store.move("champion", 2)
    assert store.registry.find("champion").number == 2
    assert store.registry.find("previous").number == 1
    assert store.history() == [FIRST, ("moved_outside", "champion", 1, 2)]
    assert history_text(store.registry.history()).splitlines()[1] == (
        "2. champion was changed outside petmood from 1 to 2, time unknown"
    )


def test_the_next_promotion_stores_the_move_before_its_own_change(store: Store) -> None:
    store.move("champion", 2)
    assert store.promote(3, alias="challenger").number == 3
    assert store.history() == [
        FIRST,
        ("moved_outside", "champion", 1, 2),
        ("promoted", "challenger", None, 3),
    ]
    assert ", time unknown, noticed at 20" in history_text(store.registry.history()).splitlines()[1]
    assert store.shown() == {"champion": 2, "previous": 1, "challenger": 3}
    store.move("champion", 1)
    assert store.history()[-1] == ("moved_outside", "champion", 2, 1)


def test_a_rollback_goes_back_to_the_version_before_the_move(store: Store) -> None:
    store.move("champion", 2)
    assert store.registry.roll_back(ME).to == 1
    assert store.shown() == {"champion": 1, "previous": 2}
    assert [kind for kind, *_ in store.history()] == ["promoted", "moved_outside", "rolled_back"]


def test_a_rollback_goes_to_the_previous_version_that_somebody_chose(store: Store) -> None:
    store.promote(2)
    store.move("previous", 3)
    assert store.registry.roll_back(ME).to == 3
    assert store.history()[2:] == [("moved_outside", "previous", 1, 3), ("rolled_back", "champion", 2, 3)]
    assert store.shown() == {"champion": 3, "previous": 2}


def test_an_alias_that_was_removed_in_mlflow_is_gone_until_it_is_promoted_again(store: Store) -> None:
    store.client.delete_registered_model_alias("petmood", "champion")
    with pytest.raises(RegistryError, match="No version of petmood is champion yet"):
        store.registry.find("champion")
    assert "from 1 to none" in history_text(store.registry.history())
    assert store.promote(2).before is None
    assert store.shown() == {"champion": 2, "previous": 1}
    assert store.history()[1:] == [("moved_outside", "champion", 1, None), ("promoted", "champion", None, 2)]


def test_a_champion_that_petmood_did_not_register_is_named(store: Store, tmp_path: Path) -> None:
    made = store.client.create_model_version("petmood", str(tmp_path))
    store.move("champion", int(made.version))
    with pytest.raises(
        RegistryError, match=r"It points to version 4, which was deleted or not registered by petmood\. Known: 1, 2"
    ):
        store.registry.find("champion")
    (issue,) = store.registry.verify(tmp_path / "scratch")
    assert (issue.what, issue.message) == ("champion", "points to version 4, which does not exist")
    assert store.registry.roll_back(ME).to == 1


@pytest.mark.parametrize("moved", [2, 3])
def test_who_decided_before_the_alias_was_moved_gets_a_conflict(store: Store, moved: int) -> None:
    seen = store.registry.state()
    store.move("champion", moved)
    with pytest.raises(RegistryConflict, match="Another client changed the aliases of petmood first"):
        store.registry.promote(store.registry.find("2"), alias="challenger", by=ME, seen=seen)
    assert store.shown() == {"champion": moved}


def test_a_change_that_was_recorded_and_not_carried_out_counts_and_is_carried_out_by_the_next_reader(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("reset by peer")

    opened = open_registry(store.address)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(type(store.client), "set_registered_model_alias", away)
        opened.promote(opened.find("2"), alias="champion", by=ME, seen=opened.state())
        assert opened.find("champion").number == 2
    assert "change 2 of petmood is not yet in MLflow's aliases: " in caplog.text
    assert store.shown() == {"champion": 1}
    assert store.registry.find("champion").number == 2
    assert store.shown() == {"champion": 2, "previous": 1}
    assert store.history() == [FIRST, ("promoted", "champion", 1, 2)]


def test_a_move_after_an_interrupted_change_is_obeyed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.client), "set_registered_model_alias", away)
        store.promote(2)
    store.move("champion", 3)
    assert store.registry.find("champion").number == 3
    assert store.history() == [FIRST, ("promoted", "champion", 1, 2), ("moved_outside", "champion", 2, 3)]


def test_a_writer_that_was_stopped_before_it_set_an_alias_leaves_the_later_decision(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process carries the change out and promotes again, just before this one sets the alias."""
    plain = type(store.client).set_registered_model_alias
    stopped = False

    def stop_once(client: object, name: str, alias: str, version: str) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            store.promote(3)
        plain(client, name, alias, version)

    monkeypatch.setattr(type(store.client), "set_registered_model_alias", stop_once)
    store.promote(2)
    assert store.shown() == {"champion": 3, "previous": 2}
    assert store.history() == [FIRST, ("promoted", "champion", 1, 2), ("promoted", "champion", 2, 3)]


def test_a_reader_between_the_calls_of_a_writer_sees_no_move_outside_of_the_gate(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = type(store.client).get_registered_model
    promoted = False

    def promote_first(client: object, name: str) -> object:
        nonlocal promoted
        if not promoted:
            promoted = True
            store.promote(2)
        return plain(client, name)

    monkeypatch.setattr(type(store.client), "get_registered_model", promote_first)
    assert store.history() == [FIRST, ("promoted", "champion", 1, 2)]


def test_aliases_that_change_at_every_look_are_a_conflict(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = type(store.client).get_registered_model

    def with_another_move(client: object, name: str) -> object:
        current = store.client.get_experiment_by_name("petmood registry: petmood, change 000001")
        store.client.set_experiment_tag(current.experiment_id, CHANGE_TAG, _change(next(numbers)).model_dump_json())
        return plain(client, name)

    numbers = iter(range(5, 1000))
    store.move("champion", 2)
    monkeypatch.setattr(type(store.client), "get_registered_model", with_another_move)
    with pytest.raises(RegistryConflict, match="The aliases of petmood were changed by other clients"):
        store.registry.state()


def _change(to: int, *, number: int = 1, alias: str = "champion") -> AliasChange:
    facts = {"number": number, "kind": "promoted", "alias": alias, "to": to, "author": "me", "reason": "", "at": ""}
    return AliasChange.model_validate(facts)


def test_missing_aliases_are_those_that_nobody_moved_since() -> None:
    changes = [_change(1), _change(2, number=2), _change(4, number=3, alias="challenger")]
    assert missing_aliases(changes, {"champion": 1}, carried=1) == {"champion": 2, "previous": 1, "challenger": 4}
    assert missing_aliases(changes, {"champion": 5}, carried=1) == {"previous": 1, "challenger": 4}
    assert missing_aliases(changes, {"champion": 2, "previous": 1, "challenger": 4}, carried=1) == {}


def test_a_stored_move_outside_of_the_gate_is_not_repeated_where_its_writer_was_killed() -> None:
    outside = _change(2, number=2).model_copy(update={"kind": "moved_outside"})
    assert missing_aliases([_change(1), outside], {"champion": 1}, carried=1) == {"previous": 1}
    assert missing_aliases([_change(1), outside, _change(3, number=3)], {"champion": 2}, carried=1) == {
        "champion": 3,
        "previous": 2,
    }


def test_outside_moves_lead_from_the_changes_to_the_aliases() -> None:
    changes = [_change(1), _change(2, number=2)]
    assert outside_moves(changes, {"champion": 2, "previous": 1}) == []
    both = outside_moves(changes, {"champion": 3, "previous": 2})
    assert [(one.number, one.alias, one.before, one.to) for one in both] == [(3, "champion", 2, 3)]
    each = outside_moves(changes, {"champion": 3, "challenger": 4, "previous": 9})
    assert [(one.number, one.alias, one.before, one.to) for one in each] == [
        (3, "champion", 2, 3),
        (4, "challenger", None, 4),
        (5, "previous", 2, 9),
    ]

"""Tests of alias replay and the registry's records."""

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.base import AliasChange, AliasState, replay


def change(number: int, to: int, alias: str = "champion") -> AliasChange:
    """Return a change."""
    return AliasChange.model_validate(
        {
            "number": number,
            "kind": "promoted",
            "alias": alias,
            "to": to,
            "author": "me",
            "reason": "",
            "at": "2026-01-01",
        }
    )


def test_nothing_was_promoted_yet() -> None:
    assert replay([]) == AliasState(last=0, aliases={})


def test_previous_is_the_champion_before_whatever_happens_to_the_challenger() -> None:
    found = replay([change(1, 1), change(2, 5, "challenger"), change(3, 2), change(4, 6, "challenger")])
    assert found == AliasState(last=4, aliases={"champion": 2, "previous": 1, "challenger": 6})
    assert found.of(2) == ("champion",)
    assert found.of(9) == ()


def test_a_change_that_is_missing_is_noticed() -> None:
    with pytest.raises(RegistryError, match="change 2 is missing before change 3"):
        replay([change(1, 1), change(3, 2)])

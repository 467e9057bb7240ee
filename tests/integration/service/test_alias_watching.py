"""Tests of alias watching: promotion without restart, rejected bad versions, and rollback within five seconds. (28)"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.fault_table import FaultTable
from tests.support.served import Served, serving
from tests.support.traffic import steady
from tests.support.waiting import wait_until

pytestmark = pytest.mark.proof
FOLLOWED_S = 30
"""Seconds; six times the 5 s within which a rollback must be served, polled every second."""
ADDRESS = "registry://petmood@champion"


@pytest.fixture
def registry(bundle: Bundle, other_bundle: Bundle, tmp_path: Path) -> Registry:
    """Return a registry of two good versions and one that is damaged; the first is champion."""
    opened = open_registry(str(tmp_path / "registry"))
    for one in (bundle, other_bundle):
        opened.push(one.folder, by="me")
    move(opened, 1)
    return opened


def move(registry: Registry, number: int) -> None:
    """Move the champion alias to another version."""
    registry.promote(registry.find(str(number)), alias="champion", by=Author("me"), seen=registry.state())


def environment(registry: Registry, tmp_path: Path) -> dict[str, str]:
    """Return the environment of the service."""
    return {"PETMOOD_REGISTRY": registry.address, "PETMOOD_CACHE": str(tmp_path / "cache"), "PETMOOD_FOLLOW_S": "1"}


def answers_with(served: Served, sha256: str, photo: bytes) -> Callable[[], bool]:
    """Return a predicate: whether the service predicts with this bundle."""
    return lambda: served.predict(photo).body["model"]["sha256"] == sha256


@pytest.mark.drill
def test_the_alias_is_followed_under_requests_and_none_fails(
    bundle: Bundle, other_bundle: Bundle, registry: Registry, table: FaultTable, good: bytes, tmp_path: Path, log: Path
) -> None:
    with serving(ADDRESS, log, given=environment(registry, tmp_path)) as served:
        assert answers_with(served, bundle.sha256, good)()
        with steady(served, good) as traffic:
            traffic.wait_for_more()
            moved_at = time.monotonic()
            move(registry, 2)
            wait_until(answers_with(served, other_bundle.sha256, good))
            there_at = time.monotonic()
            traffic.wait_for_more()
            rolled_back_at = time.monotonic()
            registry.roll_back(Author("me", "it was wrong about rabbits"))
            wait_until(answers_with(served, bundle.sha256, good))
            back_at = time.monotonic()
            traffic.wait_for_more()
        numbers, lines = served.numbers(), served.lines()
    table.add(28, "followed and rolled back under requests", 200)
    assert traffic.failed() == []
    assert back_at - rolled_back_at < FOLLOWED_S
    assert traffic.models(until=moved_at) == traffic.models(since=back_at) == {bundle.sha256}
    assert traffic.models(since=there_at, until=rolled_back_at) == {other_bundle.sha256}
    assert traffic.models() == {bundle.sha256, other_bundle.sha256}
    assert numbers['petmood_model_loads_total{result="followed"}'] == 2
    assert numbers["petmood_registry_version"] == 1
    assert [line["registry_version"] for line in lines if "registry_version" in line] == [2, 1]


@pytest.mark.drill
def test_a_bad_version_and_a_registry_that_is_away_leave_the_old_model(
    bundle: Bundle, registry: Registry, table: FaultTable, good: bytes, tmp_path: Path, log: Path
) -> None:
    place = Path(registry.address)
    with serving(ADDRESS, log, given=environment(registry, tmp_path)) as served:
        (network,) = (place / "petmood/bundles" / registry.find("2").sha256).glob("model.onnx")
        network.write_bytes(network.read_bytes()[:-1000])
        with steady(served, good) as traffic:
            move(registry, 2)
            wait_until(lambda: served.count('petmood_model_loads_total{result="refused"}') >= 1)
            place.rename(tmp_path / "away")
            wait_until(lambda: served.count("petmood_registry_up") == 0)
            assert served.ask("/readyz").status == 200
            (tmp_path / "away").rename(place)
            wait_until(lambda: served.count("petmood_registry_up") == 1)
            traffic.wait_for_more()
    table.add(26, "a damaged version is promoted, and followed", 200)
    assert traffic.failed() == []
    assert traffic.models() == {bundle.sha256}


def test_every_process_of_a_service_follows(
    bundle: Bundle, other_bundle: Bundle, registry: Registry, good: bytes, tmp_path: Path, log: Path
) -> None:
    options = ("--port", "0", "--workers", "2")
    given = environment(registry, tmp_path)
    with serving(ADDRESS, log, options=options, given=given) as served:
        assert answers_with(served, bundle.sha256, good)()
        move(registry, 2)
        wait_until(lambda: all(answers_with(served, other_bundle.sha256, good)() for _ in range(20)))
        # A process that was still starting when the alias moved has begun with the new version.
        assert served.count('petmood_model_loads_total{result="followed"}') in {1, 2}

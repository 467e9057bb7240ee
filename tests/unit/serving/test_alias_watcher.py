"""Tests of the alias watcher: new versions are loaded, and registry failures leave the old model active."""

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from petmood.core.bundle import read
from petmood.core.errors import BundleError, RegistryError
from petmood.core.signature import sign
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.registry.base import Author
from petmood.registry.uri import open_registry
from petmood.serving import alias_watcher as follow
from petmood.serving.alias_watcher import AliasWatcher, WatchedAlias, resolve_alias, watching_thread
from petmood.serving.bundle_loading import open_bundle
from petmood.serving.settings import Settings
from tests.support.bundles import word_bundle
from tests.support.signing import key_pair
from tests.support.waiting import wait_until

ADDRESS = "registry://petmood@champion"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a registry with two versions, the first of which is champion."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    registry = open_registry(str(tmp_path / "registry"))
    for word in ("one", "two"):
        registry.push(word_bundle(tmp_path / "bundles", word), by="me")
    move(registry.address, 1)
    return registry.address


def move(address: str, number: int) -> None:
    """Move the champion alias, as another process would."""
    registry = open_registry(address)
    registry.promote(registry.find(str(number)), alias="champion", by=Author("me"), seen=registry.state())


def open_model(folder: Path) -> FakePredictor:
    """Return a fake predictor for a bundle."""
    manifest = read(folder)
    return FakePredictor(name=manifest.name, version=manifest.version)


def refuse(folder: Path) -> FakePredictor:
    """Reject a bundle, as if its golden outputs didn't match."""
    raise BundleError(f"{folder}: 3 of 16 golden photos differ from those of the trained network")


@pytest.fixture
def follower(place: str, served: Callable[..., Any]) -> Callable[..., tuple[Any, AliasWatcher]]:
    """Return a function that starts a service and a watcher that polls only on request."""

    def started(**given: Any) -> tuple[Any, AliasWatcher]:  # noqa: ANN401 - whatever ``served`` takes
        app = served(**{"open_model": open_model, **given})
        return app, AliasWatcher(app.service, resolve_alias(ADDRESS, registry=place))

    return started


def test_the_address_is_looked_up_and_its_bundle_fetched(place: str, tmp_path: Path) -> None:
    found = resolve_alias(ADDRESS, registry=place)
    assert (found.version.number, read(found.folder).version) == (1, "of-one")
    assert tmp_path / "cache" in found.folder.parents
    with pytest.raises(RegistryError, match="No version of cats is champion yet"):
        resolve_alias("registry://cats@champion", registry=place)


def test_a_promotion_is_swapped_in_and_reported(
    place: str, follower: Callable[..., Any], photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app, following = follower()
    following.poll_once()
    assert app.service.slot.current.model.version == "0", "nothing moved, so nothing is swapped"
    move(place, 2)
    with caplog.at_level(logging.WARNING, "petmood.serving"):
        following.poll_once()
    assert app.client.post("/predict", content=photo).json()["model"]["version"] == "of-two"
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["registry_version"]) == ("model pets of-two followed", 2)
    assert app.counted('petmood_model_loads_total{result="followed"}') == 1
    assert app.counted("petmood_registry_version") == 2
    following.poll_once()
    assert app.counted('petmood_model_loads_total{result="followed"}') == 1


def test_a_model_that_an_admin_loaded_stays_until_the_alias_moves(place: str, follower: Callable[..., Any]) -> None:
    app, following = follower()
    app.service.slot.swap(FakePredictor(version="by hand"))
    following.poll_once()
    assert app.service.slot.current.model.version == "by hand"
    move(place, 2)
    following.poll_once()
    assert app.service.slot.current.model.version == "of-two"


def test_a_refused_version_leaves_the_old_model_and_is_tried_again_later(
    place: str, follower: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(follow, "time", SimpleNamespace(monotonic=lambda: now[0]))
    app, following = follower(open_model=refuse)
    move(place, 2)
    following.poll_once()
    following.poll_once()
    assert app.service.slot.current.model.version == "0"
    assert app.counted('petmood_model_loads_total{result="refused"}') == 1
    assert app.client.get("/readyz").status_code == 200
    now[0] += follow.RETRY_S + 1
    following.poll_once()
    assert app.counted('petmood_model_loads_total{result="refused"}') == 2


def test_a_version_that_is_damaged_in_the_registry_is_refused(
    place: str, follower: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, following = follower()
    for path in Path(place).rglob("model.onnx"):
        path.write_bytes(b"x")
    move(place, 2)
    with caplog.at_level(logging.WARNING, "petmood.serving"):
        following.poll_once()
    assert "version 2 can't be fetched, the active model is unchanged" in caplog.text
    assert app.service.slot.current.model.version == "0"
    assert app.counted('petmood_model_loads_total{result="refused"}') == 1


def test_where_a_key_is_set_an_unsigned_version_is_refused_until_it_is_signed(
    place: str,
    follower: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now, keys = [1000.0], key_pair(tmp_path / "keys")
    monkeypatch.setattr(follow, "time", SimpleNamespace(monotonic=lambda: now[0]))
    settings = Settings(public_key=str(keys.public))

    def open_signed(folder: Path) -> Predictor:
        return open_bundle(folder, settings, opener=lambda path, **_: open_model(path))

    app, following = follower(open_model=open_signed, public_key=settings.public_key)
    move(place, 2)
    with caplog.at_level(logging.WARNING, "petmood.serving"):
        following.poll_once()
    assert "has no signature" in caplog.text
    assert app.service.slot.current.model.version == "0"
    assert app.counted('petmood_model_loads_total{result="refused"}') == 1
    assert app.client.get("/readyz").status_code == 200
    sign(tmp_path / "bundles/two", key=keys.private)
    open_registry(place).push(tmp_path / "bundles/two", by="me")
    now[0] += follow.RETRY_S + 1
    following.poll_once()
    assert app.service.slot.current.model.version == "of-two"


def test_while_the_registry_is_away_everything_stays_and_it_is_reported_once(
    place: str, follower: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, following = follower()
    assert app.counted("petmood_registry_up") == 1
    shutil.move(place, f"{place}-away")
    with caplog.at_level(logging.WARNING, "petmood.serving"):
        following.poll_once()
        following.poll_once()
    assert len(caplog.records) == 1
    assert app.counted("petmood_registry_up") == 0
    assert app.client.get("/readyz").status_code == 200
    shutil.move(f"{place}-away", place)
    move(place, 2)
    following.poll_once()
    assert (app.counted("petmood_registry_up"), app.service.slot.current.model.version) == (1, "of-two")


def test_the_thread_follows_while_the_service_runs(place: str, served: Callable[..., Any]) -> None:
    app = served(open_model=open_model, follow_s=0.1)
    with watching_thread(app.service, resolve_alias(ADDRESS, registry=place)):
        move(place, 2)
        wait_until(lambda: app.service.slot.current.model.version != "0")
    assert app.service.slot.current.model.version == "of-two"


def test_near_the_end_nothing_is_swapped_in(follower: Callable[..., tuple[Any, AliasWatcher]], place: str) -> None:
    app, following = follower()
    move(place, 2)
    app.service.drain.begin()
    following.poll_once()
    assert app.service.slot.current.model.version == "0"


def test_a_look_that_hangs_does_not_hold_the_end_up(
    place: str, served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(_: AliasWatcher) -> None:
        begun.set()
        release.wait(120)

    monkeypatch.setattr(AliasWatcher, "poll_once", hang)
    app = served(open_model=open_model, follow_s=0.1)
    with watching_thread(app.service, resolve_alias(ADDRESS, registry=place)):
        assert begun.wait(120)
    assert "petmood-follow" in {thread.name for thread in threading.enumerate()}, "it was left alone"
    release.set()


@pytest.mark.parametrize("address", ["registry://petmood@1", None])
def test_what_does_not_move_is_not_followed(place: str, served: Callable[..., Any], address: str | None) -> None:
    app = served(open_model=open_model, follow_s=0.1)
    following: WatchedAlias | None = resolve_alias(address, registry=place) if address else None
    before = set(threading.enumerate())
    with watching_thread(app.service, following):
        assert set(threading.enumerate()) <= before, "nobody is there who could follow"
        move(place, 2)
    assert app.service.slot.current.model.version == "0"

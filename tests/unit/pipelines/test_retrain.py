"""Tests of retraining: train, register, check, and move the alias."""

from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.core.errors import DataError
from petmood.pipelines.retrain import retrain
from petmood.promotion.limits import PromotionLimits
from petmood.registry.base import CHALLENGER, CHAMPION, Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.latency import equal_latencies
from tests.support.small_sets import SMALL, write_small_set

ME = Author("me", "new corrections")


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model answer in the same time."""
    equal_latencies(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set with enough test photos for a verdict."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "stripes", train=64, valid=32, test=120)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return an empty registry."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    return open_registry(str(tmp_path / "registry"))


def settings(data: Path, folder: Path, *, epochs: int, lr: float) -> Config:
    return compose(
        [
            *SMALL,
            f"data={data}",
            f"run.folder={folder / 'runs'}",
            f"epochs={epochs}",
            f"optimizer.lr={lr}",
            "evaluation.baselines=false",
        ]
    )


def test_a_candidate_that_passes_gets_the_alias_and_one_that_does_not_stays_registered(
    data: Path, registry: Registry, tmp_path: Path
) -> None:
    bundles = tmp_path / "bundles"
    good = settings(data, tmp_path, epochs=10, lr=3e-3)
    first = retrain(good, registry, alias=CHAMPION, by=ME, bundles=bundles)
    assert first.rejected is None
    assert first.promotion is not None
    assert registry.state().aliases == {CHAMPION: first.version.number}
    again = retrain(good, registry, alias=CHAMPION, by=ME, bundles=bundles)
    assert (again.version, again.promotion, again.rejected, again.pipeline.done) == (first.version, None, None, ())
    weak = settings(data, tmp_path, epochs=2, lr=2e-3)
    second = retrain(weak, registry, alias=CHALLENGER, by=ME, report_folder=tmp_path / "checks", bundles=bundles)
    assert second.promotion is None
    assert "may not become challenger" in str(second.rejected)
    assert registry.state().aliases == {CHAMPION: first.version.number}
    assert [one.number for one in registry.versions()] == [first.version.number, second.version.number]
    assert (tmp_path / "checks" / "promotion.html").is_file()
    registry.promote(second.version, alias=CHAMPION, by=ME, seen=registry.state())  # by a person
    undone = retrain(good, registry, alias=CHAMPION, by=ME, bundles=bundles)
    assert undone.promotion is None
    assert "was champion before and was replaced" in str(undone.rejected)
    assert registry.state().aliases[CHAMPION] == second.version.number


def test_limits_are_those_of_the_promotion(data: Path, registry: Registry, tmp_path: Path) -> None:
    good = settings(data, tmp_path, epochs=10, lr=3e-3)
    strict = PromotionLimits(min_photos=10_000)
    found = retrain(good, registry, alias=CHAMPION, by=ME, bundles=tmp_path / "bundles", limits=strict)
    assert found.rejected is not None
    assert registry.state().aliases == {}


def test_without_data_nothing_is_registered(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No dataset"):
        retrain(settings(tmp_path / "none", tmp_path, epochs=1, lr=1e-3), registry, alias=CHAMPION, by=ME)
    assert registry.versions() == []

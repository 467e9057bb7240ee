"""Promotion after passed checks only, with the report kept in either case."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.core.bundle import Bundle, read, write
from petmood.core.errors import ConfigError, DataError, PromotionRejected, RegistryConflict, RegistryError
from petmood.pipelines import promote as promotion
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.promote import promote, read_limits
from petmood.pipelines.train import train
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.run_checks import run_promotion_checks
from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.latency import equal_latencies
from tests.support.small_sets import SMALL, write_small_set

ME = Author("me", "it learned for longer")
Make = Callable[[str, int], Bundle]


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model answer in the same time."""
    equal_latencies(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set with enough test photos for a verdict."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "stripes", train=64, valid=32, test=120)


@pytest.fixture(scope="module")
def bundles(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a weak model's bundle, and a good one's."""
    folder = tmp_path_factory.mktemp("made")
    made = {}
    for name, epochs, rate in (("weak", 2, 2e-3), ("good", 10, 3e-3)):
        settings = [*SMALL, f"data={data}", f"run.folder={folder}", f"name={name}", f"epochs={epochs}"]
        run = train(compose([*settings, f"optimizer.lr={rate}", "evaluation.baselines=false"]))
        evaluate_run(run)
        made[name] = export_run(run, to=folder / "bundles" / name).folder
    return made


@pytest.fixture
def registry(tmp_path: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry with the weak model as champion by decree, and the good one as version 2."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    opened = open_registry(str(tmp_path / "registry"))
    opened.push(bundles["weak"], by="me")
    opened.push(bundles["good"], by="me")
    opened.promote(opened.find("1"), alias="champion", by=Author("me", "the first"), seen=opened.state())
    return opened


def test_a_better_version_becomes_champion_and_its_report_is_kept(registry: Registry, tmp_path: Path) -> None:
    done = promote(registry, registry.find("2"), alias="champion", by=ME, report_folder=tmp_path / "report")
    assert registry.find("champion").number == 2
    assert (done.change.before, done.change.author, done.change.reason) == (1, "me", "it learned for longer")
    assert done.report.passed
    written = (tmp_path / "report/promotion.json").read_bytes()
    assert done.change.report == hashlib.sha256(written).hexdigest()
    kept = f"promotion/{done.change.report[:16]}"
    assert registry.attachment(registry.find("2"), f"{kept}/promotion.json") == written
    assert registry.attachment(registry.find("2"), f"{kept}/promotion.html").startswith(b"<!")
    assert json.loads(written)["verdict"] == "passed"


def test_a_worse_version_is_refused_with_its_reasons_and_nothing_moves(registry: Registry, tmp_path: Path) -> None:
    promote(registry, registry.find("2"), alias="champion", by=ME)
    with pytest.raises(
        PromotionRejected, match=r"(?s)Version 1 of petmood may not become champion:\n  superiority: "
    ) as caught:
        promote(registry, registry.find("1"), alias="champion", by=ME, report_folder=tmp_path / "report")
    assert caught.value.exit_code == 3
    assert registry.find("champion").number == 2
    assert len(registry.history()) == 2
    assert "refused" in (tmp_path / "report/promotion.md").read_text()


@pytest.mark.usefixtures("registry")
def test_a_first_version_is_checked_by_floors(bundles: dict[str, Path], tmp_path: Path) -> None:
    empty = open_registry(str(tmp_path / "other"))
    for name in ("weak", "good"):
        empty.push(bundles[name], by="me")
    with pytest.raises(PromotionRejected, match="size: "):
        promote(empty, empty.find("2"), alias="champion", by=ME, limits=PromotionLimits(max_size_mb=0.001))
    assert promote(empty, empty.find("2"), alias="champion", by=ME).change.before is None


def test_a_version_that_was_tampered_with_is_refused(registry: Registry, tmp_path: Path) -> None:
    (path,) = (tmp_path / "registry/petmood/bundles" / registry.find("2").sha256).glob("model.onnx")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PromotionRejected, match=r"Version 2 of petmood is corrupted: .*model\.onnx was changed"):
        promote(registry, registry.find("2"), alias="champion", by=ME)
    assert registry.find("champion").number == 1


def test_who_was_overtaken_during_the_checks_gets_a_conflict(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*given: object, **named: object) -> object:
        other = open_registry(registry.address)
        other.promote(other.find("1"), alias="challenger", by=Author("somebody"), seen=other.state())
        return run_promotion_checks(*given, **named)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(promotion, "run_promotion_checks", overtaken)
    with pytest.raises(RegistryConflict, match="Another client changed the aliases of petmood first"):
        promote(registry, registry.find("2"), alias="champion", by=ME)
    assert registry.find("champion").number == 1


def test_the_champion_is_not_evaluated_against_itself(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="is champion already"):
        promote(registry, registry.find("1"), alias="champion", by=ME)


def test_a_data_set_that_is_not_here_is_asked_for(registry: Registry, data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "moved")
    try:
        with pytest.raises(DataError, match=r"is not here\. Name one with --data FOLDER"):
            promote(registry, registry.find("2"), alias="champion", by=ME)
        done = promote(registry, registry.find("2"), alias="champion", by=ME, data=tmp_path / "moved")
    finally:
        (tmp_path / "moved").rename(data)
    assert done.report.passed


def test_a_relative_dataset_is_found_above_the_registry_from_any_folder(
    bundles: dict[str, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    relative = with_dataset(bundles["good"], "data/pets", to=tmp_path / "relative")
    registry = open_registry(str(tmp_path / "project/registry"))
    version = registry.push(relative, by="me")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    looked = rf"dataset data/pets of this version is not here: looked in {tmp_path}/elsewhere, "
    looked += rf"a folder above {tmp_path}/project/registry, a folder above .*\. Name one with --data FOLDER\.$"
    with pytest.raises(DataError, match=looked):
        promote(registry, version, alias="champion", by=ME)
    shutil.copytree(data, tmp_path / "project/data/pets")
    assert promote(registry, version, alias="champion", by=ME).report.passed


def with_dataset(bundle: Path, path: str, *, to: Path) -> Path:
    """Return a copy of a bundle that names another path of its dataset."""
    old = read(bundle)
    files = {name: (bundle / name).read_bytes() for name in old.files}
    config = {**old.config, "data": {**old.config["data"], "path": path}}
    return write(to, old.model_copy(update={"config": config}), files).folder


def test_limits_are_read_as_they_are_typed() -> None:
    assert read_limits([]) == PromotionLimits()
    found = read_limits(["criterion=non_inferior", "max_latency_ratio=2", "min_photos=30"])
    assert (found.criterion, found.max_latency_ratio, found.min_photos) == ("non_inferior", 2.0, 30)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense=1", "Unknown promotion limit 'nonsense'. Known: criterion, margin"),
        ("margin=wide", "Expected a number for the promotion limit margin, got 'wide'"),
        ("margin", "Expected a number for the promotion limit margin, got ''. Write NAME=VALUE, such as margin=0"),
        ("criterion=win", "criterion='win'"),
        ("margin=nan", "finite"),
    ],
)
def test_limits_that_mean_nothing_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_limits([text])


def test_comparisons_on_one_test_set_are_counted_passed_or_refused(registry: Registry, tmp_path: Path) -> None:
    done = promote(registry, registry.find("2"), alias="champion", by=ME)
    assert done.report.earlier_uses == 0
    with pytest.raises(PromotionRejected, match=r"\n  This test set has decided 1 promotion before\.$"):
        promote(registry, registry.find("1"), alias="champion", by=ME)
    limits = PromotionLimits(criterion="non_inferior", max_uncorrected_uses=1)  # type: ignore[arg-type] # as typed
    with pytest.raises(PromotionRejected, match=r"1 promotion before\. The interval .* 97\.5% confidence"):
        promote(registry, registry.find("1"), alias="champion", by=ME, limits=limits, report_folder=tmp_path / "report")
    stored = json.loads((tmp_path / "report/promotion.json").read_text())
    assert (stored["earlier_uses"], stored["confidence"]) == (1, 0.975)
    for name in ("promotion.md", "promotion.html"):
        assert "This test set has decided 1 promotion before" in (tmp_path / "report" / name).read_text()


def test_a_challenger_is_compared_with_the_champion_by_every_check(registry: Registry) -> None:
    done = promote(registry, registry.find("2"), alias="challenger", by=ME)
    assert done.report.champion is not None
    assert done.report.champion.sha256 == registry.find("1").sha256
    assert [check.name for check in done.report.checks] == [
        *("integrity", "same_classes", "held_out", "superiority", "per_class_recall", "calibration", "robustness"),
        *("latency", "size", "domain"),
    ]
    with pytest.raises(PromotionRejected, match="may not become challenger"):
        promote(registry, registry.find("1"), alias="challenger", by=ME, limits=PromotionLimits(max_size_mb=0.001))

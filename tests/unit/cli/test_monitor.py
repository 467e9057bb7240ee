"""`petmood monitor`: generated files and one-line errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.cli.monitor import _ServedBundles
from petmood.core.bundle import Bundle
from petmood.monitoring.generated_files import generated_files
from petmood.registry import cache
from petmood.registry.base import Version
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.drifting import log_photos, new_log


def test_dashboards_writes_every_file_and_lists_it(petmood: Callable[..., Any], tmp_path: Path) -> None:
    done = petmood("monitor", "dashboards", "--output", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [str(tmp_path / "new" / name) for name in generated_files()]
    assert {name: (tmp_path / "new" / name).read_text() for name in generated_files()} == generated_files()


def test_a_folder_that_is_a_file_is_one_line(petmood: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = petmood("monitor", "dashboards", "--output", tmp_path / "taken")
    assert done.code == 2
    assert done.err.startswith("petmood: ")
    assert done.err.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.fixture
def log(shared_bundle: Bundle, tmp_path: Path) -> str:
    """Return the address of a log with 60 predictions for usual photos, then 60 for dark ones."""
    engine = new_log(tmp_path)
    log_photos(engine, shared_bundle, 60)
    log_photos(engine, shared_bundle, 60, first=60, darkened=True)
    engine.dispose()
    return f"sqlite:///{tmp_path / 'log.db'}"


def test_drift_compares_the_last_predictions_and_writes_a_page(
    petmood: Callable[..., Any], shared_bundle: Bundle, log: str, tmp_path: Path
) -> None:
    given = ("monitor", "drift", "--log", log, "--bundle", shared_bundle.folder)
    done = petmood(*given, "--last", 60, "--html", tmp_path / "drift.html")
    assert done.code == 1
    assert done.out.startswith(f"demo {shared_bundle.manifest.version}: drift, 60 predictions. ")
    assert "brightness is lower" in done.out
    assert "The photos have drifted." in (tmp_path / "drift.html").read_text()
    found = json.loads(petmood(*given, "--since", "9999d", "--json").out)
    assert (found[0]["rows"], found[0]["bundle"]["sha256"]) == (120, shared_bundle.sha256)


def test_drift_of_few_predictions_is_insufficient(petmood: Callable[..., Any], shared_bundle: Bundle, log: str) -> None:
    done = petmood("monitor", "drift", "--log", log, "--bundle", shared_bundle.folder, "--last", 10)
    assert (done.code, done.err) == (0, "")
    assert "insufficient, 10 predictions. Too few rows for a test" in done.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--last", "0"], "'--last': 0 is not in the range x>=1"),
        (["--last", "5", "--since", "2h"], "Expected --last or --since, got both."),
        (["--data", "photos"], "Expected --html with --data"),
        (["--data", "photos", "--html", "/dev/null/page.html"], "photos"),
        (["--since", "soon"], "Expected a time such as 30m, 24h or 7d, got 'soon'."),
    ],
)
def test_wrong_windows_are_one_line(
    petmood: Callable[..., Any], shared_bundle: Bundle, log: str, options: list[str], told: str
) -> None:
    done = petmood("monitor", "drift", "--log", log, "--bundle", shared_bundle.folder, *options)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


def test_predictions_of_other_bundles_are_named(
    petmood: Callable[..., Any], shared_bundle: Bundle, other_sha: str, log: str
) -> None:
    done = petmood("monitor", "drift", "--log", log, "--bundle", shared_bundle.folder, "--last", 50)
    assert f"Not compared: 1 predictions of pets 1 ({other_sha[:12]})." in done.err


@pytest.fixture
def other_sha(log: str) -> str:
    """Add a row of another bundle to the log; return the bundle's hash."""
    from petmood.monitoring.prediction_log.database import open_log  # noqa: PLC0415 - of an extra
    from petmood.monitoring.prediction_log.store import LogStore  # noqa: PLC0415 - of an extra
    from tests.support.logged import row  # noqa: PLC0415 - of an extra

    engine = open_log(log)
    LogStore(engine).insert([row(1, request_id="another")])
    engine.dispose()
    return row(1).bundle.sha256


def test_two_addresses_of_one_version_are_one_bundle(
    petmood: Callable[..., Any], shared_bundle: Bundle, log: str, tmp_path: Path
) -> None:
    (tmp_path / "alias").symlink_to(shared_bundle.folder)
    given = ("--bundle", shared_bundle.folder, "--bundle", tmp_path / "alias", "--last", 60, "--json")
    assert len(json.loads(petmood("monitor", "drift", "--log", log, *given).out)) == 1


def test_a_version_is_verified_once_however_often_it_is_looked_up(
    shared_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    open_registry().push(shared_bundle.folder, by="me")
    opened: list[str] = []
    fetch = cache.cached

    def noted(registry: Registry, version: Version) -> Bundle:
        opened.append(version.sha256)
        return fetch(registry, version)

    monkeypatch.setattr(cache, "cached", noted)
    served = _ServedBundles(["registry://petmood@1", str(shared_bundle.folder), "registry://petmood@1"])
    (first,), (again,) = served.testers(), served.testers()
    assert first is again
    assert opened == [shared_bundle.sha256]
    assert served.may_change
    assert not _ServedBundles([str(shared_bundle.folder)]).may_change

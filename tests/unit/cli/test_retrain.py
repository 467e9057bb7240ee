"""`petmood retrain`: condition, result lines and exit codes; the training itself is tested with the pipeline."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from petmood.core.errors import PromotionRejected
from petmood.monitoring.feedback.records import REVIEWER
from petmood.pipelines import retrain as pipeline
from tests.support.local_server import served_by
from tests.support.logged import kept_feedback


@pytest.fixture
def drift_api() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the address of a drift API, and the answer that it gives."""
    given: dict[str, Any] = {"bundles": [{"alert": False}]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with what is given."""
            body = json.dumps(given).encode()
            self.send_response(200 if self.path == "/drift" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with served_by(Handler) as address:
        yield f"http://{address}", given


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Replace the retraining by one that notes its arguments and returns version 7."""
    calls: list[dict[str, Any]] = []
    (tmp_path / "evaluation.json").write_text("{}")
    monkeypatch.setattr("petmood.cli.tables.headline_text", lambda _: "The model is right in 90% of 50 test photos.")

    def retrain(config: Any, registry: Any, **options: Any) -> Any:  # noqa: ANN401 - a stand-in
        calls.append({"config": config, "registry": registry, **options})
        run = SimpleNamespace(evaluation=tmp_path / "evaluation.json")
        done = SimpleNamespace(done=("train",), run=run, bundle=Path("bundles/pets"))
        version = SimpleNamespace(number=7, model="petmood")
        return SimpleNamespace(pipeline=done, version=version, promotion=object(), rejected=None)

    monkeypatch.setattr(pipeline, "retrain", retrain)
    return calls


def test_without_an_alert_nothing_is_trained(
    petmood: Callable[..., Any], drift_api: tuple[str, dict[str, Any]], trained: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, given = drift_api
    done = petmood("retrain", "--registry", tmp_path / "registry", "--when-drift", address)
    assert (done.code, done.out) == (0, f"{address} has no active alert: nothing was trained.\n")
    assert trained == []
    given["bundles"].append({"alert": True})
    assert petmood("retrain", "--registry", tmp_path / "registry", "--when-drift", address).code == 0
    assert len(trained) == 1


def test_too_few_corrections_train_nothing_and_enough_of_them_do(
    petmood: Callable[..., Any], trained: list[dict[str, Any]], tmp_path: Path
) -> None:
    kept_feedback(tmp_path, dict.fromkeys(range(2), (REVIEWER, "angry")))
    words = ("retrain", "--registry", tmp_path / "registry", "--log", f"sqlite:///{tmp_path}/log.db")
    few = petmood(*words, "--min-corrections", 3)
    assert (few.code, few.out) == (0, "2 new corrections, fewer than 3: nothing was trained.\n")
    assert trained == []
    enough = petmood(*words, "--min-corrections", 2)
    assert enough.code == 0
    assert enough.out.startswith("2 new corrections, at least 2.\n")
    assert len(trained) == 1


def test_either_of_two_conditions_suffices_and_is_named(
    petmood: Callable[..., Any], drift_api: tuple[str, dict[str, Any]], trained: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, given = drift_api
    kept_feedback(tmp_path, {0: (REVIEWER, "angry"), 1: ("a" * 64, None)})
    words = ("retrain", "--registry", tmp_path / "registry", "--log", f"sqlite:///{tmp_path}/log.db")
    both = (*words, "--when-drift", address, "--min-corrections")
    neither = f"1 new correction, fewer than 2, and {address} has no active alert: nothing was trained.\n"
    assert petmood(*both, 2).out == neither
    assert trained == []
    assert petmood(*both, 1).out.startswith("1 new correction, at least 1.\n")
    given["bundles"].append({"alert": True})
    assert petmood(*both, 2).out.startswith(f"{address} has an active alert.\n")
    assert len(trained) == 2


def test_corrections_without_a_log_are_a_usage_error(
    petmood: Callable[..., Any], trained: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_PREDICTION_LOG", raising=False)
    done = petmood("retrain", "--registry", tmp_path / "registry", "--min-corrections", 2)
    assert done.code == 2
    assert "name it with --log" in done.err
    assert trained == []


@pytest.mark.parametrize(("options", "alias"), [((), "challenger"), (("--promote",), "champion")])
def test_the_alias_is_challenger_unless_champion_is_asked_for(
    petmood: Callable[..., Any], trained: list[dict[str, Any]], tmp_path: Path, options: tuple[str, ...], alias: str
) -> None:
    done = petmood("retrain", "seed=3", "--registry", tmp_path / "registry", *options, "--reason", "because")
    assert done.code == 0
    assert "The model is right in 90% of 50 test photos." in done.out
    assert f"Version 7 of petmood: bundles/pets\nIt is {alias} now.\n" in done.out
    assert ("petmood registry promote 7 --to champion" in done.out) is (alias == "challenger")
    (call,) = trained
    assert (call["alias"], call["config"].seed, call["by"].reason) == (alias, 3, "because")


def test_a_rejected_candidate_is_told_with_every_reason(
    petmood: Callable[..., Any], trained: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: Callable[..., Any] = pipeline.retrain

    def rejecting(*given: Any, **options: Any) -> Any:  # noqa: ANN401 - a stand-in
        found = replaced(*given, **options)
        rejected = PromotionRejected("Version 7 of petmood may not become challenger:\n  accuracy: too low")
        return SimpleNamespace(**{**vars(found), "rejected": rejected})

    monkeypatch.setattr(pipeline, "retrain", rejecting)
    done = petmood("retrain", "--registry", tmp_path / "registry")
    assert done.code == 3
    assert "Version 7 of petmood: bundles/pets" in done.out
    assert done.err.endswith("may not become challenger:\n  accuracy: too low\n")
    assert len(trained) == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://[", "nowhere"])
def test_no_drift_api_is_one_line(petmood: Callable[..., Any], tmp_path: Path, address: str) -> None:
    done = petmood("retrain", "--registry", tmp_path / "registry", "--when-drift", address)
    assert done.code == 2
    assert f"Expected a drift API (`petmood monitor serve`) at {address}" in done.err
    assert done.err.count("\n") == 1

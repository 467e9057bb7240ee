"""Tracker URI without passwords, and import of a tracker's package only when it is opened."""

import sys
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, MissingDependency
from petmood.training.tracking.base import (
    open_tracker,
    refuse_credentials,
    refuse_missing,
    uri_of,
)
from petmood.training.tracking.state import TrackerSettings, TrackingState

SECRET = "http://me:secret@tracker:5000"  # noqa: S105 - made up


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the address of the person who runs the tests away."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def with_uri(state: TrackingState, uri: str) -> TrackingState:
    """Return a run whose settings name an address."""
    return state.model_copy(update={"tracker": TrackerSettings(uri=uri)})


def test_an_address_is_the_given_one_then_the_set_one_then_the_environment_s_then_a_file_at_home(
    state: TrackingState, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert uri_of(state) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    assert uri_of(state) == "http://environment"
    assert uri_of(with_uri(state, "http://set")) == "http://set"
    assert uri_of(with_uri(state, "http://set"), uri="http://given") == "http://given"


def test_a_relative_file_is_meant_from_where_training_began_wherever_it_is_sent_from(
    state: TrackingState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert uri_of(with_uri(state, "sqlite:///here/x.db")) == f"sqlite:///{tmp_path}/here/x.db"
    assert uri_of(with_uri(state, "sqlite:////there/x.db")) == "sqlite:////there/x.db"


@pytest.mark.parametrize("uri", [SECRET, "https://token@tracker", "postgresql://me:x@db/mlflow"])
def test_an_address_with_a_password_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        refuse_credentials(uri)
    assert "secret" not in str(refused.value)
    refuse_credentials("http://tracker:5000/at@home")
    refuse_credentials(None)


def test_a_tracker_that_is_not_installed_is_named_with_both_ways_out() -> None:
    refuse_missing("mlflow")
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[nothing_like_it\]', or set tracker=none"):
        refuse_missing("nothing_like_it")


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_package_is_imported_when_its_tracker_is_opened_and_not_before(
    kind: str, state: TrackingState, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    other = state.model_copy(update={"tracker": TrackerSettings.model_validate({"kind": kind})})
    with pytest.raises(MissingDependency, match=rf"pip install 'petmood\[{kind}\]'"):
        open_tracker(other, folder)

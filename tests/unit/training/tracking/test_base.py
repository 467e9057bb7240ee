"""Tracker URI, the key of its stored offset, and absence of passwords in both."""

import sys
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, MissingDependency
from petmood.training.tracking.base import (
    address_of,
    open_tracker,
    refuse_credentials,
    refuse_missing,
    uri_of,
)
from petmood.training.tracking.events import RunStarted, TrackerSpec

SECRET = "http://me:secret@tracker:5000"  # noqa: S105 - made up


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the address of the person who runs the tests away."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def with_uri(begun: RunStarted, uri: str) -> RunStarted:
    """Return a run whose settings name an address."""
    return begun.model_copy(update={"tracker": TrackerSpec(uri=uri)})


def test_an_address_is_the_given_one_then_the_set_one_then_the_environment_s_then_a_file_at_home(
    begun: RunStarted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert uri_of(begun) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    assert uri_of(begun) == "http://environment"
    assert uri_of(with_uri(begun, "http://set")) == "http://set"
    assert uri_of(with_uri(begun, "http://set"), uri="http://given") == "http://given"


def test_a_relative_file_is_meant_from_where_training_began_wherever_it_is_sent_from(
    begun: RunStarted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert uri_of(with_uri(begun, "sqlite:///here/x.db")) == f"sqlite:///{tmp_path}/here/x.db"
    assert uri_of(with_uri(begun, "sqlite:////there/x.db")) == "sqlite:////there/x.db"


def test_the_name_that_is_remembered_holds_no_password(begun: RunStarted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    assert uri_of(begun) == SECRET
    assert address_of(begun) == "http://tracker:5000"
    told = begun.model_copy(update={"tracker": TrackerSpec(kind="wandb", project="pets")})
    assert address_of(told) == "wandb:pets"


@pytest.mark.parametrize("uri", [SECRET, "https://token@tracker", "postgresql://me:x@db/mlflow"])
def test_an_address_with_a_password_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        refuse_credentials(uri)
    assert "secret" not in str(refused.value)
    refuse_credentials("http://tracker:5000/at@home")
    refuse_credentials(None)


def test_a_tracker_that_is_not_installed_is_named_with_both_ways_out() -> None:
    refuse_missing("mlflow")
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[nothing_like_it\]', or give tracker=none"):
        refuse_missing("nothing_like_it")


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_package_is_imported_when_its_tracker_is_opened_and_not_before(
    kind: str, begun: RunStarted, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    told = begun.model_copy(update={"tracker": TrackerSpec.model_validate({"kind": kind})})
    with pytest.raises(MissingDependency, match=rf"pip install 'petmood\[{kind}\]'"):
        open_tracker(told, folder)

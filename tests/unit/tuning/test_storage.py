"""Study reuse, rejection of other settings, and sampling by seed and trial number alone."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from petmood.configs.load import compose
from petmood.core.errors import ConfigError, RunError
from petmood.tuning.storage import connect, open_study, sampler_for, storage_url, study_settings


def settings(*overrides: str, data_hash: str = "d1") -> dict[str, Any]:
    """Return what a search with these overrides begins with."""
    config = compose(["search=first", *overrides])
    return study_settings(config, config.search.space, data_hash=data_hash)


def opened(folder: Path, *overrides: str, data_hash: str = "d1") -> optuna.Study:
    """Open the study of a search in a folder."""
    search = compose(["search=first", *overrides]).search
    storage = connect(storage_url(search, folder))
    try:
        return open_study(storage, search, settings=settings(*overrides, data_hash=data_hash))
    finally:
        storage.engine.dispose()


def test_the_study_lies_in_the_sweep_s_folder_and_is_found_again(tmp_path: Path) -> None:
    study = opened(tmp_path / "a b")
    study.add_trial(create_trial(value=1.0))
    assert (tmp_path / "a b/study.db").is_file()
    assert len(opened(tmp_path / "a b").trials) == 1


@pytest.mark.parametrize(
    "override", ["n_trials=99", "search.workers=2", "name=x", "tracker=none", "run.folder=elsewhere"]
)
def test_what_decides_nothing_may_change(tmp_path: Path, override: str) -> None:
    opened(tmp_path)
    opened(tmp_path, override)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("search.metric=val/accuracy", "search.metric = val/loss, now it is val/accuracy"),
        ("search.seed=3", "search.seed = 0, now it is 3"),
        ("epochs=3", "trainer.max_epochs = 20, now it is 3"),
        ("search.space={optimizer.lr:{low:0.001}}", "search.space: optimizer.lr = "),
    ],
)
def test_other_settings_under_the_same_name_are_refused_in_one_line(tmp_path: Path, override: str, named: str) -> None:
    opened(tmp_path)
    with pytest.raises(RunError) as refused:
        opened(tmp_path, override)
    assert str(refused.value).startswith(f"The sweep first was started with {named}")
    assert str(refused.value).endswith("Give another search.name.")
    assert "\n" not in str(refused.value)


def test_other_photos_under_the_same_name_are_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(RunError, match="data version = d1, now it is d2"):
        opened(tmp_path, data_hash="d2")


def test_a_study_that_somebody_else_filled_is_refused(tmp_path: Path) -> None:
    other = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="first")
    other.add_trial(create_trial(value=1.0))
    with pytest.raises(RunError, match="was started with"):
        opened(tmp_path)


@pytest.mark.parametrize("address", ["mysql://u:geheim@h/d", "study.db", "redis://x"])
def test_another_kind_of_database_is_refused_without_its_password(tmp_path: Path, address: str) -> None:
    with pytest.raises(
        ConfigError, match=r"search\.storage: Expected null, sqlite:///FILE or postgresql://"
    ) as refused:
        storage_url(compose(["search=first", f"search.storage='{address}'"]).search, tmp_path)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_reached_by_the_driver_that_is_installed(tmp_path: Path, scheme: str) -> None:
    search = compose(["search=first", f"search.storage={scheme}://me@host/pets"]).search
    assert storage_url(search, tmp_path) == "postgresql+psycopg://me@host/pets"


def test_a_password_in_the_settings_is_neither_shown_nor_written(tmp_path: Path) -> None:
    config = compose(["search=first", "search.storage='postgresql://me:geheim@host/pets'"])
    assert "geheim" not in repr(config)
    assert "geheim" not in config.model_dump_json()
    assert "geheim" in storage_url(config.search, tmp_path)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"can't be used: .*file is not a database") as refused:
        opened(tmp_path)
    assert "\n" not in str(refused.value)


def draws(kind: str, *, number: int, seed: int = 0, finished: int = 12) -> dict[str, float]:
    """Return what a sampler draws for a trial after some finished ones."""
    ranges: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=9))
    for value in range(finished):
        params = {"x": value / 20, "y": 1 - value / 30}
        study.add_trial(
            create_trial(params=params, distributions=ranges, value=float(value % 5), state=TrialState.COMPLETE)
        )
    search = compose(["search=first", f"search.sampler={kind}", f"search.seed={seed}"]).search
    study.sampler = sampler_for(search, number)
    return study.ask(ranges).params


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_a_draw_depends_on_the_seed_and_the_number_alone(kind: str) -> None:
    assert draws(kind, number=12) == draws(kind, number=12)
    assert draws(kind, number=12) != draws(kind, number=13)
    assert draws(kind, number=12) != draws(kind, number=12, seed=1)


def test_points_of_a_grid_come_in_turn() -> None:
    search = compose(["search=first", "search.sampler=grid"]).search
    study, points = optuna.create_study(), [{"x": 0.25}, {"x": 0.75}]
    for number, point in enumerate(points):
        study.sampler = sampler_for(search, number, points=points)
        assert study.ask({"x": FloatDistribution(0, 1)}).params == point


def test_an_unreachable_database_is_tried_once_and_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def refused(**given: object) -> None:
        tried.append(int(str(given["connect_timeout"])))
        raise psycopg.OperationalError("connection failed")

    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setattr(psycopg, "connect", lambda *_, **given: refused(**given))
    with pytest.raises(RunError, match=r"The storage .*//host/pets can't be used: connection failed"):
        connect("postgresql+psycopg://host/pets")
    assert tried == [5]


@pytest.mark.parametrize("address", ["sqlite:///", "sqlite:///:memory:"])
def test_a_storage_in_memory_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"search\.storage: Expected null, sqlite:///FILE"):
        storage_url(compose(["search=first", f"search.storage='{address}'"]).search, tmp_path)

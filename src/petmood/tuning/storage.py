"""Optuna storage of a search, in SQLite or PostgreSQL, with its study, sampler and pruner."""

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from petmood.configs.schema import Config, SearchConfig, flatten_settings
from petmood.core.errors import ConfigError, RunError
from petmood.core.extras import require
from petmood.core.mlflow_env import uri_problem
from petmood.core.redact import one_line, without_credentials

__all__ = ["STUDY_FILE", "connect", "open_study", "open_trial", "sampler_for", "storage_url", "study_settings"]

STUDY_FILE: Final = "study.db"
STUDY_SETTINGS: Final = "study_settings"
MAY_CHANGE: Final = ("run.", "tracker.", "search.n_trials", "search.workers", "search.storage", "search.folder")
"""Settings that don't affect the result of a trial."""
POSTGRES: Final = ("postgresql://", "postgres://", "postgresql+psycopg://")
WAIT_S: Final = 60.0
CONNECT_S: Final = 5
"""Time limit of a connection to PostgreSQL; an address that doesn't answer took 30 s and more otherwise."""
ATTEMPTS: Final = 4
MAX_RESTART_DELAY_S: Final = 0.3
OPTIONS: Final = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""TCP keepalive options: PostgreSQL notices within a minute that a machine is gone, and frees its trial."""


def storage_url(search: SearchConfig, folder: Path) -> str:
    """Return the SQLAlchemy URL of the storage.

    Raises:
        ConfigError: an unsupported database.
        MissingDependency: the driver is not installed.
    """
    if search.storage is None:
        return f"sqlite:///{folder.absolute() / STUDY_FILE}"
    if search.storage.startswith("sqlite:///") and uri_problem(search.storage) is None:
        return search.storage
    if search.storage.startswith(POSTGRES):
        require("psycopg", extra="sweep")
        return f"postgresql+psycopg://{search.storage.partition('://')[2]}"
    raise ConfigError(
        "search.storage: Expected null, sqlite:///FILE or postgresql://USER@HOST/NAME, "
        f"got {without_credentials(search.storage)!r}."
    )


def connect(url: str) -> RDBStorage:
    """Open a storage, and create its tables if they are missing.

    Raises:
        RunError: the storage can't be reached.
    """
    local = url.startswith("sqlite")
    options = {"timeout": WAIT_S} if local else {"options": OPTIONS, "connect_timeout": CONNECT_S}
    if local:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    connecting = {"connect_args": options}
    try:
        if not local:
            _check_connection(url, connecting)
        _make_tables(url, connecting)
        return RDBStorage(url, engine_kwargs={**connecting, "pool_pre_ping": not local})
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        reason = one_line(getattr(error, "orig", None) or error)
        raise RunError(f"The storage {without_credentials(url)} can't be used: {reason}") from error


def _check_connection(url: str, connecting: Mapping[str, Any]) -> None:
    """Connect once, so that an unreachable database is not tried several times."""
    engine = create_engine(url, poolclass=NullPool, **connecting)
    with engine.connect():
        pass
    engine.dispose()


def _make_tables(url: str, connecting: Mapping[str, Any]) -> None:
    """Create the tables if they are missing; retry if other processes do so concurrently."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            RDBStorage(url, engine_kwargs={**connecting, "poolclass": NullPool}).remove_session()
        except (SQLAlchemyError, optuna.exceptions.OptunaError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(MAX_RESTART_DELAY_S)
        else:
            return


def open_study(storage: RDBStorage, search: SearchConfig, *, settings: Mapping[str, Any]) -> optuna.Study:
    """Return the study of this name, created if it is missing.

    Raises:
        RunError: the study was created with other settings.
    """
    name = str(search.name)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction=search.direction,
        pruner=pruner_for(search),
        load_if_exists=True,
    )
    known = study.user_attrs.get(STUDY_SETTINGS)
    if known is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(STUDY_SETTINGS, dict(settings))
    elif known != settings:
        raise RunError(
            f"The sweep {name} was started with {_difference(known or {}, settings)}. Give another search.name."
        )
    return study


def open_trial(study: optuna.Study, storage: RDBStorage, number: int) -> optuna.Trial:
    """Return a trial that another process began, to resume it; Optuna has no single call for this."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return optuna.Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, number))


def study_settings(config: Config, dimensions: Mapping[str, Any], *, data_hash: str) -> dict[str, Any]:
    """Return all settings that affect the result of a trial, by name, as values that JSON preserves."""
    raw = config.model_dump(mode="json")
    raw["search"]["space"] = {name: dimension.model_dump(mode="json") for name, dimension in dimensions.items()}
    space = raw["search"].pop("space")
    flat = (
        flatten_settings(raw)
        | {f"search.space: {name}": value for name, value in space.items()}
        | {"data version": data_hash}
    )
    kept = {name: value for name, value in flat.items() if not name.startswith(MAY_CHANGE)}
    found: dict[str, Any] = json.loads(json.dumps(kept))
    return found


def sampler_for(search: SearchConfig, number: int, *, points: Sequence[Mapping[str, Any]] = ()) -> BaseSampler:
    """Return the sampler of a trial; it depends on the seed and the trial number, not on what ran before.

    So a sweep that was killed and resumed samples the same values as an uninterrupted one. The ``points`` of a grid are
    used in order.
    """
    seed = int(np.random.SeedSequence((search.seed, number)).generate_state(1)[0])
    if points:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return PartialFixedSampler(dict(points[number]), RandomSampler(seed=seed))
    if search.sampler == "tpe":
        return TPESampler(n_startup_trials=search.startup, seed=seed)
    return RandomSampler(seed=seed)


def pruner_for(search: SearchConfig) -> BasePruner:
    """Return the pruner; the median pruner ends trials below the median of completed trials at the same epoch."""
    if search.pruner == "none":
        return NopPruner()
    return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup)


def _difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    names = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
    first = names[0]
    more = f", and {len(names) - 1} more differ" if len(names) > 1 else ""
    return f"{first} = {known.get(first, 'nothing')}, now it is {wanted.get(first, 'nothing')}{more}"

"""Fixtures of all unit tests: one small dataset and one short run on it, for reading only."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.core.bundle import Bundle
from petmood.data.index import Split
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.dataset import PhotoSet, evaluation_rows, open_photo_set, training_rows
from petmood.training.dataset import open_index as read_and_check
from tests.support.evaluation import make_rows, make_scored  # noqa: F401 - fixtures of every unit test
from tests.support.networks import tiny_bundle
from tests.support.small_sets import SMALL, write_small_set

Settings = Callable[..., Config]


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of 32 + 16 + 16 striped pictures, with copies of 4 + 3 + 3 of them."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "stripes", copies=4, evaluation_copies=3)


@pytest.fixture(scope="session")
def settings(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a function that composes small settings with overrides."""
    runs = tmp_path_factory.mktemp("runs")

    def composed(*overrides: str) -> Config:
        return compose([*SMALL, f"data={small_set}", f"run.folder={runs}", "epochs=2", *overrides])

    return composed


@pytest.fixture(scope="session")
def small_run(settings: Settings) -> RunFolder:
    """Return a finished run of six epochs."""
    return train(settings("name=shared", "epochs=6"))


@pytest.fixture(scope="session")
def photo_sets(small_set: Path, settings: Settings) -> tuple[PhotoSet, PhotoSet]:
    """Return the training and validation photos, decoded."""
    config, index = settings(), read_and_check(small_set)
    image = config.model.image_spec()
    opened = partial(open_photo_set, small_set, classes=index.classes, image=image, memory_mb=config.data.memory_mb)
    return opened(training_rows(index.rows, include_copies=False)), opened(evaluation_rows(index.rows, Split.VALID))


@pytest.fixture(scope="session")
def shared_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the tiny bundle."""
    return tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle")

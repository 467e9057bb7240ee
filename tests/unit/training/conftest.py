"""What do the tests of training share? One small data set and one short run on it, for reading only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.configs.schema import Config
from petmood.training.folder import RunFolder
from petmood.training.material import Material, open_material, rows_to_judge, rows_to_learn
from petmood.training.material import open_index as read_and_check
from petmood.training.run import train
from tests.integration.small_sets import SMALL, write_small_set

Settings = Callable[..., Config]


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of 32 + 16 + 16 striped pictures."""
    return write_small_set(tmp_path_factory.mktemp("sets") / "stripes", copies=4)


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
def materials(small_set: Path, settings: Settings) -> tuple[Material, Material]:
    """Return the training and validation photos, decoded."""
    config, index = settings(), read_and_check(small_set)
    image = config.model.image_spec()
    learned = open_material(small_set, rows_to_learn(index.rows, keep_copies=False), config=config, image=image)
    return learned, open_material(small_set, rows_to_judge(index.rows, "valid"), config=config, image=image)

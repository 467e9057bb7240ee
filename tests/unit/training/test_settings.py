"""Defaults of the plain training records."""

from petmood.configs.schema import Config
from petmood.pipelines.fit_settings import fit_settings
from petmood.training.settings import ProbeSettings, TrainerSettings


def test_the_records_default_to_what_the_configuration_defaults_to() -> None:
    found = fit_settings(Config())
    assert found.probe == ProbeSettings()
    assert found.trainer == TrainerSettings()

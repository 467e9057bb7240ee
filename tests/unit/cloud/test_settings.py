"""Settings of a deployment: defaults that follow from the project, and wrong ones refused in one line."""

from pathlib import Path

import pytest

from petmood.cloud.settings import CloudSettings, read_cloud_settings
from petmood.core.errors import ConfigError


def test_names_follow_from_the_project_and_region() -> None:
    found = CloudSettings(project="pets-12345", region="europe-west4", tag="v2")
    assert found.parent == "projects/pets-12345/locations/europe-west4"
    assert found.image("serve") == "europe-west4-docker.pkg.dev/pets-12345/petmood/serve:v2"
    assert found.registry == "gs://pets-12345-petmood/registry"
    assert found.account("api") == "petmood-api@pets-12345.iam.gserviceaccount.com"


def test_a_given_bucket_takes_the_place_of_the_default() -> None:
    assert CloudSettings(project="pets-12345", bucket="photos").registry == "gs://photos/registry"


def test_a_file_of_settings_is_read_and_options_come_before_it(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("project: pets-12345\nregion: europe-west4\napi: {cpu: 4, memory: 4Gi}\n")
    found = read_cloud_settings(path, region="us-east1", tag=None)
    assert (found.project, found.region, found.tag) == ("pets-12345", "us-east1", "latest")
    assert (found.api.cpu, found.api.memory, found.page.cpu) == (4, "4Gi", 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("project: Pets", "project"),
        ("project: pets-12345\nregionn: europe-west4", "regionn in {path}: Expected no such key"),
        ("project: pets-12345\napi: {cpu: 3}", "api.cpu in {path}: Expected 1, 2, 4 or 8, got 3."),
        ("project: pets-12345\napi: {memory: 2GB}", "api.memory in {path}"),
        ("project: pets-12345\ntraining: {timeout_h: .inf}", "training.timeout_h in {path}"),
        ("- a", "Expected a mapping"),
        ("a: [", "{path} can't be read as YAML"),
        ("region: europe-west4", "Expected a value of project, got none. Give it with --project"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_cloud_settings(path)
    assert told.format(path=path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_cloud_settings(tmp_path / "none.yaml")

"""Commands for Google Cloud: what --dry-run prints, and wrong input refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from petmood.cloud.cost import read_prices
from petmood.pipelines.run_folder import RunFolder
from tests.unit.cli.conftest import Done

Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def without_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the project and the credentials of whoever runs the tests out."""
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS", "AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "nowhere")


def test_a_dry_run_of_deploy_prints_the_api(petmood: Run) -> None:
    done = petmood("cloud", "deploy", "--project", "pets-12345", "--tag", "v2", "--dry-run")
    spec = json.loads(done.out)
    assert (done.code, spec["name"].rpartition("/")[2]) == (0, "petmood-api")
    assert spec["template"]["containers"][0]["image"].endswith("/petmood/serve:v2")


def test_several_services_are_printed_as_a_list(petmood: Run, tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("project: pets-12345\ncloud_sql: pets-12345:us-central1:petmood\n")
    done = petmood(
        *("cloud", "deploy", "api", "page", "monitor", "--settings", path),
        *("--api-url", "https://petmood-api-abc.a.run.app", "--dry-run"),
    )
    assert [one["name"].rpartition("/")[2] for one in json.loads(done.out)] == [
        "petmood-api",
        "petmood-page",
        "petmood-monitor",
    ]


def test_services_are_printed_as_resources_of_knative(petmood: Run) -> None:
    address = ("--api-url", "https://petmood-api-abc.a.run.app")
    done = petmood("cloud", "deploy", "api", "page", "--project", "pets-12345", *address, "--knative")
    found = list(yaml.safe_load_all(done.out))
    assert [one["metadata"]["name"] for one in found] == ["petmood-api", "petmood-page"]
    assert {one["apiVersion"] for one in found} == {"serving.knative.dev/v1"}


def test_a_dry_run_of_train_prints_the_job(petmood: Run) -> None:
    done = petmood(
        *("cloud", "train", "--project", "pets-12345", "--name", "first", "--dry-run", "recipe=finetune", "epochs=3")
    )
    spec = json.loads(done.out)
    assert spec["displayName"] == "first"
    assert spec["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"] == ["recipe=finetune", "epochs=3"]
    together = petmood("cloud", "train", "--project", "pets-12345", "--machines", "3", "--dry-run")
    assert [one["replicaCount"] for one in json.loads(together.out)["jobSpec"]["workerPoolSpecs"]] == [1, 2]


def test_the_printed_settings_can_be_given_again(petmood: Run, tmp_path: Path) -> None:
    printed = petmood("cloud", "settings", "--project", "pets-12345").out
    assert yaml.safe_load(printed)["training"]["machine_type"] == "n1-standard-8"
    path = tmp_path / "cloud.yaml"
    path.write_text(printed)
    assert petmood("cloud", "settings", "--settings", path).out == printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("deploy", "--dry-run"), "Expected a value of project, got none. Give it with --project"),
        (("deploy", "--project", "P", "--dry-run"), "project: Expected"),
        (("deploy", "page", "--project", "pets-12345", "--dry-run"), "--api-url"),
        (("deploy", "door", "--project", "pets-12345"), "'door' is not one of 'api', 'page', 'monitor'"),
        (("deploy", "--project", "pets-12345"), "Log in with: gcloud auth application-default login"),
        (("status", "--project", "pets-12345"), "Log in with: gcloud auth application-default login"),
        (("cost",), "Expected --run FOLDER or --ms MILLISECONDS"),
        (("cost", "--run", "nowhere"), "Expected the folder of a run with run.json, got nowhere"),
        (("run-job",), "in AIP_MODEL_DIR"),
    ],
)
def test_what_can_t_be_is_refused_in_one_line(petmood: Run, words: tuple[str, ...], told: str) -> None:
    done = petmood("cloud", *words)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


def test_the_cost_is_of_the_measured_seconds_and_names_the_prices(petmood: Run, small_run: RunFolder) -> None:
    done = petmood("cloud", "cost", "--run", small_run.path, "--ms", "45", "--requests", "1000", "--json")
    found = json.loads(done.out)
    seconds = small_run.read_metadata().seconds
    assert seconds is not None
    assert found["estimates"][0]["amount"] == pytest.approx(seconds / 3600 * 0.4369977)
    assert len(found["estimates"]) == 3
    plain = petmood("cloud", "cost", "--run", small_run.path).out
    assert found["as_of"] in plain
    assert found["source"] in plain


def test_edited_prices_are_taken(petmood: Run, small_run: RunFolder, tmp_path: Path) -> None:
    changed = read_prices().model_dump(mode="json") | {"vertex_machine_hour": {"n1-standard-8": 3600.0}}
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(changed))
    done = petmood("cloud", "cost", "--run", small_run.path, "--prices", tmp_path / "prices.yaml", "--json")
    seconds = small_run.read_metadata().seconds
    assert json.loads(done.out)["estimates"][0]["amount"] == pytest.approx(seconds)

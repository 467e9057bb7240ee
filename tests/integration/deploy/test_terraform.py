"""Terraform files: their format, their references, what they say twice, and the schema of the Google provider.

The provider itself can't be downloaded here, so that `terraform validate` can't run. The proof compares every resource
with the schema in a Python package instead.
"""

import copy
import json
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from petmood.cloud.jobs import job_spec
from petmood.cloud.services import COLLECTOR, service_spec
from petmood.cloud.settings import CloudSettings, Component
from tests.support.discovery import problems as api_problems
from tests.support.source_tree import ROOT
from tests.support.terraform import Block, ProviderSchema, declared, items, read_folder, references, resources

FOLDER = ROOT / "deploy/gcp"
PROVIDER = "cdktn-provider-google==21.1.0"
PARSED = read_folder(FOLDER)
SETTINGS = CloudSettings(
    project="pets-12345", api_url="https://petmood-api-abc.a.run.app", cloud_sql="pets-12345:us-central1:petmood"
)


def resource(type_: str, name: str, *, kind: str = "resource") -> Block:
    """Return a resource by its address."""
    (found,) = [one for one in resources(PARSED) if (one.kind, one.type, one.name) == (kind, type_, name)]
    return found


def local(name: str) -> Any:  # noqa: ANN401 - any value
    """Return a local value."""
    (found,) = [value for block in PARSED["locals"] for key, value in items(block) if key == name]
    return found


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_the_files_are_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", str(FOLDER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_reference_is_declared_and_every_declaration_is_used() -> None:
    used = references("\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.tf"))))
    assert used - declared(PARSED) == set()
    unused = {name for name in declared(PARSED) - used if name.startswith(("var.", "local."))}
    assert unused == set()


def test_a_reference_to_nothing_is_found() -> None:
    used = references(
        'name = "${var.projekt}-x"\nlabels = merge(local.label, google_storage_bucket.pets.labels) # var.a\n'
    )
    assert used - declared(PARSED) == {"var.projekt", "local.label", "google_storage_bucket.pets"}


@pytest.mark.parametrize("component", list(Component))
def test_services_are_those_of_the_command_line(component: Component) -> None:
    spec = service_spec(SETTINGS, component)
    served, *others = spec["template"]["containers"]
    told = local("all_services")[component.value]
    text = json.dumps(told)
    assert str(told["image"]).strip('"') == served["image"].rpartition("/")[2].partition(":")[0]
    assert told["cpu"].strip('"') == served["resources"]["limits"]["cpu"]
    assert told["memory"].strip('"') == served["resources"]["limits"]["memory"]
    assert told["concurrency"] == spec["template"]["maxInstanceRequestConcurrency"]
    assert {"minInstanceCount": told["min"], "maxInstanceCount": told["max"]} == spec["template"]["scaling"]
    assert told["timeout"].strip('"') == spec["template"]["timeout"]
    assert told["ingress"].strip('"') == spec["ingress"]
    assert told["startup"].strip('"') == served["startupProbe"]["httpGet"]["path"]
    assert told["liveness"].strip('"') == served["livenessProbe"]["httpGet"]["path"]
    assert told["collector"] == ([one["name"] for one in others] == [COLLECTOR])
    words = re.findall(r'"([^"]+)"', json.loads(json.dumps(told["args"])))
    listen = [word.strip('"') for word in local("listen")]
    own = [word for word in served["args"] if word not in listen and word != local("model").strip('"')]
    assert words == own
    variables = {*told["env"], *re.findall(r"PETMOOD_\w+", str(told["secrets"]))}
    assert variables == {one["name"] for one in served["env"]}
    assert "petmood-token" not in text or component is not Component.MONITOR


def test_probes_and_the_collector_are_those_of_the_command_line() -> None:
    text = (FOLDER / "services.tf").read_text("utf-8")
    spec = service_spec(SETTINGS, Component.API)
    served, collector = spec["template"]["containers"]
    for probe in (served["startupProbe"], served["livenessProbe"], collector["livenessProbe"]):
        lines = [
            f"{name}\\s+= {probe[key]}"
            for name, key in (("period_seconds", "periodSeconds"), ("timeout_seconds", "timeoutSeconds"))
        ]
        assert re.search(r"\n\s+".join(lines), text), probe
    assert collector["image"] in text
    assert "cpu_idle" in text
    assert "= true" not in re.findall(r"cpu_idle\s+(= \w+)", text)


def test_what_a_deployment_changes_is_not_set_back() -> None:
    lifecycle = json.dumps(resource("google_cloud_run_v2_service", "service").body["lifecycle"])
    for changed in ("annotations", "containers[0].image", "revision"):
        assert f"template[0].{changed}" in lifecycle


def test_scheduled_training_has_the_machine_of_the_command_line_and_fits_the_api() -> None:
    body = resource("google_cloud_scheduler_job", "retrain").body["http_target"][0]["body"]
    pool = job_spec(SETTINGS, name="x")["jobSpec"]["workerPoolSpecs"][0]
    assert f'"{pool["machineSpec"]["machineType"]}"' in body
    assert f"bootDiskSizeGb = {pool['diskSpec']['bootDiskSizeGb']}" in body
    keys = set(re.findall(r"(\w+) = ", body)) - {"component"}
    known = json.dumps(job_spec(SETTINGS, name="x"))
    assert {key for key in keys if f'"{key}"' not in known} == set()
    assert (
        api_problems(job_spec(SETTINGS, name="x"), api="aiplatform.v1", schema="GoogleCloudAiplatformV1CustomJob") == []
    )


def test_the_bucket_is_versioned_and_closed_and_images_are_cleaned_up() -> None:
    bucket = resource("google_storage_bucket", "petmood").body
    assert bucket["versioning"][0]["enabled"] is True
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == '"enforced"'
    policies = resource("google_artifact_registry_repository", "images").body["cleanup_policies"]
    assert [one["action"] for one in policies] == ['"KEEP"', '"DELETE"']


def test_no_account_has_a_basic_role_and_no_secret_has_a_value_here() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.tf")))
    assert re.findall(r"roles/(?:owner|editor|viewer)\b", text) == []
    assert "google_secret_manager_secret_version" not in text
    assert "google_service_account_key" not in text


def test_the_page_lists_every_role_that_terraform_grants() -> None:
    page = (ROOT / "docs/cloud.md").read_text("utf-8")
    text = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.tf")))
    assert {role for role in re.findall(r"roles/[\w.]+", text) if f"`{role}`" not in page} == set()
    assert {role for role in re.findall(r"`(roles/[\w.]+)`", page) if role not in text} == set()


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> ProviderSchema:
    """Return the provider's schema from the package, 65 MB, which is read and not installed."""
    folder = tmp_path_factory.mktemp("provider")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PROVIDER]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    return ProviderSchema(wheel)


@pytest.mark.proof
def test_the_provider_has_every_argument_and_none_is_missing(schema: ProviderSchema) -> None:
    found = [problem for one in resources(PARSED) for problem in schema.problems(one)]
    assert found == []


@pytest.mark.proof
def test_planted_mistakes_are_found(schema: ProviderSchema) -> None:
    service = resource("google_cloud_run_v2_service", "service")
    bucket = resource("google_storage_bucket", "petmood")

    def changed(block: Block, **changes: Any) -> Block:  # noqa: ANN401 - any value
        body = {**copy.deepcopy(block.body), **changes}
        return Block(
            block.kind, block.type, block.name, {key: value for key, value in body.items() if value is not None}
        )

    nested = copy.deepcopy(service)
    nested.body["template"][0]["containers"][0]["readiness"] = True
    del nested.body["template"][0]["containers"][0]["image"]
    at = "google_cloud_run_v2_service.service.template.containers"
    assert schema.problems(nested) == [f"{at}: unknown argument 'readiness'", f"{at}: missing argument 'image'"]
    assert schema.problems(changed(bucket, locaton='"x"')) == [
        "google_storage_bucket.petmood: unknown argument 'locaton'"
    ]
    assert schema.problems(changed(bucket, location=None)) == [
        "google_storage_bucket.petmood: missing argument 'location'"
    ]
    twice = changed(bucket, versioning=bucket.body["versioning"] * 2)
    assert schema.problems(twice) == ["google_storage_bucket.petmood: block 'versioning' may occur once"]
    flat = changed(bucket, versioning=True)
    assert schema.problems(flat) == ["google_storage_bucket.petmood: 'versioning' is a block and no argument"]
    other = Block("resource", "google_storage_buckett", "petmood", {})
    assert schema.problems(other) == ["google_storage_buckett: no such resource"]


def test_a_variable_has_a_description_and_a_type() -> None:
    for block in PARSED["variable"]:
        for name, body in items(block):
            assert {"description", "type"} <= set(body), name


def field(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a field of nested objects by its path; KeyError if there is none."""
    for word in path.split("."):
        value = value[word]
    return value


def test_policies_of_alerts_have_the_fields_that_terraform_reads() -> None:
    text = (FOLDER / "alerts.tf").read_text("utf-8")
    wanted = re.findall(r"\beach\.value\.([\w.]+)", text)
    of_condition = re.findall(r"\bconditions\.value\.([\w.]+)", text)
    assert min(len(wanted), len(of_condition)) > 5
    files = sorted((ROOT / "deploy/monitoring/cloud-monitoring").glob("*.json"))
    assert len(files) > 10
    for path in files:
        policy = json.loads(path.read_bytes())
        assert api_problems(policy, api="monitoring.v3", schema="AlertPolicy") == []
        (condition,) = policy["conditions"]
        assert None not in [*(field(policy, one) for one in wanted), *(field(condition, one) for one in of_condition)]

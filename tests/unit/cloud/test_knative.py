"""Services as resources of Knative, by the discovery document of the Cloud Run API v1 and the annotations it allows."""

import copy
import re
from typing import Any

import pytest

from petmood.cloud.knative import knative_service
from petmood.cloud.services import COLLECTOR, service_spec
from petmood.cloud.settings import Component
from tests.support.cloud_services import EACH, SETTINGS
from tests.support.discovery import document, problems


def allowed_annotations(kind: str) -> set[str]:
    """Return the annotations that Cloud Run accepts on a kind of resource, as its discovery document lists them."""
    told = document("run.v1")["schemas"]["ObjectMeta"]["properties"]["annotations"]["description"]
    listed = re.findall(r"\* `([\w./-]+)`: ([\w, ]+)", told)
    return {name for name, kinds in listed if kind in re.split(r", ?", kinds)}


def annotation_problems(service: dict[str, Any]) -> set[str]:
    """Return the annotations of a service and its revision that Cloud Run doesn't accept there."""
    revision = service["spec"]["template"]["metadata"]["annotations"]
    return ({*service["metadata"]["annotations"]} - allowed_annotations("Service")) | (
        {*revision} - allowed_annotations("Revision")
    )


@EACH
def test_the_discovery_document_knows_every_field_and_annotation(component: Component) -> None:
    service = knative_service(SETTINGS, component)
    assert problems(service, api="run.v1", schema="Service") == []
    assert annotation_problems(service) == set()
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        (("spec",), "replicas", 3),
        (("spec", "template", "spec"), "serviceAccount", "petmood"),
        (("spec", "template", "spec"), "timeoutSeconds", "60s"),
        (("spec", "template", "spec", "containers", 0), "volumeMount", []),
        (("spec", "template", "spec", "containers", 0, "ports", 0), "containerPort", "http"),
        (("spec", "traffic", 0), "type", "LATEST"),
    ],
)
def test_a_planted_mistake_is_found(where: tuple[str | int, ...], key: str, value: object) -> None:
    service: Any = copy.deepcopy(knative_service(SETTINGS, Component.API))
    place = service
    for part in where:
        place = place[part]
    place[key] = value
    (found,) = problems(service, api="run.v1", schema="Service")
    assert key in found


def test_an_annotation_that_cloud_run_refuses_is_found() -> None:
    service = copy.deepcopy(knative_service(SETTINGS, Component.API))
    service["metadata"]["annotations"]["run.googleapis.com/cpu-throttling"] = "false"  # belongs to the revision
    service["spec"]["template"]["metadata"]["annotations"]["run.googleapis.com/cpu-boost"] = "true"
    assert annotation_problems(service) == {"run.googleapis.com/cpu-throttling", "run.googleapis.com/cpu-boost"}


@EACH
def test_both_forms_say_the_same(component: Component) -> None:
    spec, service = service_spec(SETTINGS, component), knative_service(SETTINGS, component)
    first, second = spec["template"], service["spec"]["template"]
    revision, annotations = second["spec"], second["metadata"]["annotations"]
    assert spec["name"].endswith(f"/{service['metadata']['name']}")
    assert (first["serviceAccount"], first["timeout"]) == (
        revision["serviceAccountName"],
        f"{revision['timeoutSeconds']}s",
    )
    assert annotations["autoscaling.knative.dev/maxScale"] == str(first["scaling"]["maxInstanceCount"])
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"
    assert [one["image"] for one in first["containers"]] == [one["image"] for one in revision["containers"]]
    secrets = {one["name"] for one in first["containers"][0]["env"] if "valueSource" in one}
    assert secrets == {one["name"] for one in revision["containers"][0]["env"] if "valueFrom" in one}
    assert all(isinstance(value, str) for value in annotations.values())


def test_the_collector_waits_for_the_api_and_the_socket_of_the_database_is_there() -> None:
    annotations = knative_service(SETTINGS, Component.API)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/container-dependencies"] == f'{{"{COLLECTOR}": ["api"]}}'
    assert annotations["run.googleapis.com/cloudsql-instances"] == SETTINGS.cloud_sql
    page = knative_service(SETTINGS, Component.PAGE)["spec"]["template"]["metadata"]["annotations"]
    assert not {name for name in page if "cloudsql" in name or "dependencies" in name}

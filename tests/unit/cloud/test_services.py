"""Specifications of services, by the rules of Cloud Run: its protobuf, its discovery document and its documentation."""

import copy
from typing import Any

import pytest
from google.cloud import run_v2
from google.protobuf import json_format

from petmood.cloud.services import COLLECTOR, HEALTH_ROUTES, PORT, service_id, service_spec
from petmood.cloud.settings import CloudSettings, Component
from petmood.core.errors import ConfigError
from petmood.registry.uri import parse_reference
from tests.support.cloud_services import EACH, SETTINGS
from tests.support.discovery import problems


def container(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container of a service by its name."""
    (found,) = [one for one in spec["template"]["containers"] if one["name"] == name]
    return dict(found)


def variables(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the environment of a container: the value of each variable, or the secret that it comes from."""
    listed = container(spec, name)["env"]
    return {one["name"]: one.get("value") or one["valueSource"]["secretKeyRef"]["secret"] for one in listed}


@EACH
def test_the_client_library_and_the_discovery_document_accept_every_field(component: Component) -> None:
    spec = service_spec(SETTINGS, component)
    message = json_format.ParseDict(spec, run_v2.Service.pb()())
    assert message.name == f"projects/pets-12345/locations/europe-west4/services/{service_id(component)}"
    assert problems(spec, api="run.v2", schema="GoogleCloudRunV2Service") == []


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ((), "replicas", 3),
        (("template",), "concurrency", 8),
        (("template", "containers", 0), "readyProbe", {}),
        (("template", "containers", 0, "resources"), "cpu", "2"),
        (("template",), "executionEnvironment", "GEN2"),
        (("template", "containers", 0, "ports", 0), "containerPort", "http"),
    ],
)
def test_a_planted_mistake_is_found_by_both(where: tuple[str | int, ...], key: str, value: object) -> None:
    spec: Any = copy.deepcopy(service_spec(SETTINGS, Component.API))
    place = spec
    for part in where:
        place = place[part]
    place[key] = value
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(spec, run_v2.Service.pb()())
    (found,) = problems(spec, api="run.v2", schema="GoogleCloudRunV2Service")
    assert key in found


@EACH
def test_one_container_takes_requests_and_is_probed_on_its_port(component: Component) -> None:
    spec = service_spec(SETTINGS, component)
    with_ports = [one["name"] for one in spec["template"]["containers"] if one.get("ports")]
    assert with_ports == [component.value]
    served = container(spec, component)
    startup, liveness = HEALTH_ROUTES[component]
    assert served["ports"] == [{"name": "http1", "containerPort": PORT}]
    assert served["startupProbe"]["httpGet"] == {"path": startup, "port": PORT}
    assert served["livenessProbe"]["httpGet"] == {"path": liveness, "port": PORT}
    for probe in (served["startupProbe"], served["livenessProbe"]):
        assert probe["timeoutSeconds"] <= probe["periodSeconds"] <= 240  # a rule of Cloud Run
    assert served["startupProbe"]["failureThreshold"] * served["startupProbe"]["periodSeconds"] <= 240


@EACH
def test_each_service_has_an_account_of_its_own_and_all_its_processors(component: Component) -> None:
    template = service_spec(SETTINGS, component)["template"]
    assert template["serviceAccount"] == f"petmood-{component}@pets-12345.iam.gserviceaccount.com"
    assert [one["resources"]["cpuIdle"] for one in template["containers"]] == [False] * len(template["containers"])


def test_the_collector_starts_after_the_api_and_the_page_has_none() -> None:
    spec = service_spec(SETTINGS, Component.API)
    assert container(spec, COLLECTOR)["dependsOn"] == ["api"]
    assert "startupProbe" in container(spec, "api")  # without one, nothing may depend on a container
    assert [one["name"] for one in service_spec(SETTINGS, Component.PAGE)["template"]["containers"]] == ["page"]


def test_tokens_and_databases_come_from_secrets_alone() -> None:
    found = variables(service_spec(SETTINGS, Component.API), "api")
    assert found["PETMOOD_TOKEN"] == SETTINGS.token_secret
    assert found["PETMOOD_PREDICTION_LOG"] == SETTINGS.log_secret
    assert found["PETMOOD_REGISTRY"] == "gs://pets-12345-petmood/registry"
    plain = CloudSettings(project="pets-12345")
    assert "PETMOOD_PREDICTION_LOG" not in variables(service_spec(plain, Component.API), "api")
    assert "volumes" not in service_spec(plain, Component.API)["template"]


def test_the_api_serves_a_reference_to_the_registry() -> None:
    arguments = container(service_spec(SETTINGS, Component.API), "api")["args"]
    assert arguments[0] == "serve"
    assert str(parse_reference(arguments[1])) == "registry://petmood@champion"


def test_the_monitor_can_t_be_reached_from_the_internet() -> None:
    ingress = {component: service_spec(SETTINGS, component)["ingress"] for component in Component}
    assert ingress.pop(Component.MONITOR) == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    assert set(ingress.values()) == {"INGRESS_TRAFFIC_ALL"}


@pytest.mark.parametrize(("component", "told"), [(Component.PAGE, "--api-url"), (Component.MONITOR, "cloud_sql")])
def test_a_service_without_what_it_needs_is_refused(component: Component, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        service_spec(CloudSettings(project="pets-12345"), component)

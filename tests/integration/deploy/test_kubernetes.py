"""Manifests of Kubernetes: what kustomize makes of them, by the schemas of Kubernetes and by petmood's own rules."""

import copy
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from petmood.cloud.services import HEALTH_ROUTES
from petmood.cloud.settings import Component
from petmood.monitoring.metric_names import IN_FLIGHT
from tests.support.source_tree import ROOT

FOLDER = ROOT / "deploy/kubernetes"
PLACES = ("base", "overlays/local", "overlays/production")
VERSIONS = ("1.30", "1.34")
"""The oldest version with everything that is used here, and a recent one."""

Manifest = dict[str, Any]

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
EACH = pytest.mark.parametrize("place", PLACES)


@cache
def kustomize(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run kustomize, which is part of kubectl and needs no cluster."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)


def rendered(place: str) -> list[Manifest]:
    """Return the manifests that kustomize makes of a folder."""
    done = kustomize(FOLDER / place)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def find(place: str, kind: str, name: str) -> Manifest:
    """Return a manifest."""
    (found,) = [one for one in rendered(place) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return copy.deepcopy(found)


def deployments(place: str) -> list[Manifest]:
    """Return the deployments."""
    return [one for one in rendered(place) if one["kind"] == "Deployment"]


def container(deployment: Manifest) -> Manifest:
    """Return the only container of a deployment."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


@EACH
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_schema(place: str, version: str) -> None:
    for one in rendered(place):
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("Deployment", "petmood-api", ("spec", "replica"), 3),
        ("Deployment", "petmood-api", ("spec", "template", "spec", "containers", 0, "readyProbe"), {}),
        ("Deployment", "petmood-api", ("spec", "template", "spec", "terminationGracePeriodSeconds"), "30s"),
        ("HorizontalPodAutoscaler", "petmood-api", ("spec", "maxReplicas"), None),
        ("PodDisruptionBudget", "petmood-api", ("spec", "maxUnavailables"), 1),
        ("NetworkPolicy", "petmood-api", ("spec", "ingress", 0, "port"), 80),
    ],
)
def test_a_planted_mistake_is_found(kind: str, name: str, path: tuple[str | int, ...], value: object) -> None:
    manifest: Any = find("base", kind, name)
    kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    place = manifest
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_a_patch_of_nothing_is_found(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    patch = tmp_path / "kubernetes/overlays/production/api.yaml"
    patch.write_text(patch.read_text("utf-8").replace("name: petmood-api", "name: petmood-apis"), "utf-8")
    done = kustomize(tmp_path / "kubernetes/overlays/production")
    assert done.returncode != 0
    assert "petmood-apis" in done.stderr


@EACH
def test_pods_run_as_the_user_of_the_images_and_without_rights(place: str) -> None:
    for one in deployments(place):
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        rights = container(one)["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}


@EACH
def test_every_container_has_probes_requests_and_a_limit_of_memory(place: str) -> None:
    for one in deployments(place):
        found = container(one)
        component = Component(found["name"])
        startup, liveness = HEALTH_ROUTES[component]
        assert found["startupProbe"]["httpGet"]["path"] == startup
        assert found["readinessProbe"]["httpGet"]["path"] == startup
        assert found["livenessProbe"]["httpGet"]["path"] == liveness
        assert {"cpu", "memory"} <= set(found["resources"]["requests"])
        assert "memory" in found["resources"]["limits"]


@EACH
def test_a_port_that_is_named_is_that_of_the_arguments(place: str) -> None:
    for one in deployments(place):
        found = container(one)
        (port,) = found["ports"]
        assert found["args"][found["args"].index("--port") + 1] == str(port["containerPort"])
        scraped = one["spec"]["template"]["metadata"].get("annotations", {}).get("prometheus.io/port")
        assert scraped in {None, str(port["containerPort"])}


@EACH
def test_selectors_match_the_pods_that_they_are_for(place: str) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in deployments(place)]

    def is_met(selector: Manifest) -> bool:
        return any(selector.items() <= one.items() for one in labels)

    for one in rendered(place):
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            assert is_met(spec["selector"]), one["metadata"]["name"]
        elif one["kind"] == "PodDisruptionBudget":
            assert is_met(spec["selector"]["matchLabels"]), one["metadata"]["name"]
        elif one["kind"] == "NetworkPolicy" and spec["podSelector"]:
            assert is_met(spec["podSelector"]["matchLabels"]), one["metadata"]["name"]


@EACH
def test_references_are_to_what_is_there(place: str) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in rendered(place)}
    for one in rendered(place):
        if one["kind"] == "HorizontalPodAutoscaler":
            target = one["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in names
        if one["kind"] == "Deployment":
            assert ("ServiceAccount", one["spec"]["template"]["spec"]["serviceAccountName"]) in names
            (config,) = container(one)["envFrom"]
            assert ("ConfigMap", config["configMapRef"]["name"]) in names


@EACH
def test_without_a_token_no_pod_starts(place: str) -> None:
    for name in ("petmood-api", "petmood-page"):
        variables = {one["name"]: one for one in container(find(place, "Deployment", name))["env"]}
        assert not variables["PETMOOD_TOKEN"]["valueFrom"]["secretKeyRef"].get("optional", False)


def test_the_api_is_scaled_by_its_requests_in_flight_and_has_no_number_of_pods_of_its_own() -> None:
    (metric,) = find("base", "HorizontalPodAutoscaler", "petmood-api")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == IN_FLIGHT
    assert "replicas" not in find("base", "Deployment", "petmood-api")["spec"]


def test_a_pod_has_time_to_drain() -> None:
    deployment = find("base", "Deployment", "petmood-api")
    (config,) = [one for one in rendered("base") if one["kind"] == "ConfigMap"]
    notice = float(config["data"]["PETMOOD_DRAIN_NOTICE_S"])
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= notice + 6 + 5


def test_everything_that_no_policy_allows_is_denied() -> None:
    deny = find("base", "NetworkPolicy", "petmood-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    page = find("base", "NetworkPolicy", "petmood-page")["spec"]
    (egress,) = page["egress"]
    assert egress["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "petmood-api"}}}]


def test_overlays_change_images_and_sizes() -> None:
    assert container(find("overlays/local", "Deployment", "petmood-api"))["image"] == "petmood/serve:local"
    assert "docker.pkg.dev" in container(find("overlays/production", "Deployment", "petmood-api"))["image"]
    assert find("overlays/production", "HorizontalPodAutoscaler", "petmood-api")["spec"]["minReplicas"] == 3
    assert [one["metadata"]["name"] for one in deployments("overlays/local")] == ["petmood-api", "petmood-page"]

"""Services on Cloud Run as resources of Knative, the form of ``gcloud run services replace``.

https://cloud.google.com/run/docs/reference/yaml/v1
"""

import json
from typing import Any, Final

from petmood.cloud.services import service_spec
from petmood.cloud.settings import CloudSettings, Component

__all__ = ["knative_service"]

Spec = dict[str, Any]

INGRESS: Final = {"INGRESS_TRAFFIC_ALL": "all", "INGRESS_TRAFFIC_INTERNAL_ONLY": "internal"}
CONTAINER_FIELDS: Final = ("name", "image", "command", "args", "ports", "startupProbe", "livenessProbe")
"""Fields of a container that the Cloud Run API v2 and Knative write alike."""


def knative_service(settings: CloudSettings, component: Component) -> Spec:
    """Return one service as the resource ``Service`` of ``serving.knative.dev/v1``: what ``service_spec`` says.

    Knative has no fields for the processor between requests, the order of containers and Cloud SQL: they are
    annotations, whose values are strings.

    Raises:
        ConfigError: as by ``service_spec``.
    """
    spec = service_spec(settings, component)
    template = spec["template"]
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": spec["name"].rpartition("/")[2],
            "labels": {**spec["labels"], "cloud.googleapis.com/location": settings.region},
            "annotations": {"run.googleapis.com/ingress": INGRESS[spec["ingress"]]},
        },
        "spec": {
            "template": {
                "metadata": {"labels": template["labels"], "annotations": _annotations(template)},
                "spec": {
                    "containerConcurrency": template["maxInstanceRequestConcurrency"],
                    "timeoutSeconds": int(template["timeout"].removesuffix("s")),
                    "serviceAccountName": template["serviceAccount"],
                    "containers": [_container(one) for one in template["containers"]],
                },
            },
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
    }


def _annotations(template: Spec) -> dict[str, str]:
    served = template["containers"][0]["resources"]
    found = {
        "autoscaling.knative.dev/minScale": str(template["scaling"]["minInstanceCount"]),
        "autoscaling.knative.dev/maxScale": str(template["scaling"]["maxInstanceCount"]),
        "run.googleapis.com/execution-environment": template["executionEnvironment"].rpartition("_")[2].lower(),
        "run.googleapis.com/cpu-throttling": json.dumps(served["cpuIdle"]),
        "run.googleapis.com/startup-cpu-boost": json.dumps(served["startupCpuBoost"]),
        "run.googleapis.com/sessionAffinity": json.dumps(template["sessionAffinity"]),
    }
    dependencies = {one["name"]: one["dependsOn"] for one in template["containers"] if "dependsOn" in one}
    if dependencies:
        found["run.googleapis.com/container-dependencies"] = json.dumps(dependencies)
    databases = [name for one in template.get("volumes", []) for name in one["cloudSqlInstance"]["instances"]]
    if databases:
        found["run.googleapis.com/cloudsql-instances"] = ",".join(databases)
    return found


def _container(container: Spec) -> Spec:
    found: Spec = {name: container[name] for name in CONTAINER_FIELDS if name in container}
    found["resources"] = {"limits": container["resources"]["limits"]}
    if "env" in container:
        found["env"] = [_variable(one) for one in container["env"]]
    return found


def _variable(variable: Spec) -> Spec:
    if "valueSource" not in variable:
        return variable
    secret = variable["valueSource"]["secretKeyRef"]
    return {
        "name": variable["name"],
        "valueFrom": {"secretKeyRef": {"name": secret["secret"], "key": secret["version"]}},
    }

"""Specifications of the services on Cloud Run, as JSON of the resource ``Service`` of the Cloud Run API v2.

https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
"""

from typing import Any, Final

from petmood.cloud.settings import CloudSettings, Component, ServiceSize
from petmood.core.environment import API_URL_VARIABLE, TOKEN_VARIABLE
from petmood.core.errors import ConfigError
from petmood.registry.uri import ADDRESS_VARIABLE

__all__ = ["COLLECTOR", "HEALTH_ROUTES", "LABELS", "LOG_VARIABLE", "PORT", "service_id", "service_spec"]

Spec = dict[str, Any]

PORT: Final = 8080
"""Port of every container; the collector of Managed Service for Prometheus scrapes it without a configuration."""
COLLECTOR: Final = "collector"
LOG_VARIABLE: Final = "PETMOOD_PREDICTION_LOG"
LABELS: Final = {"app": "petmood"}
HEALTH_ROUTES: Final = {
    Component.API: ("/readyz", "/livez"),
    Component.PAGE: ("/_stcore/health", "/_stcore/health"),
    Component.MONITOR: ("/healthz", "/metrics"),
}
"""Routes of the startup and the liveness probe; a monitor whose database is away is not started again for it."""
INGRESS: Final = {
    Component.API: "INGRESS_TRAFFIC_ALL",
    Component.PAGE: "INGRESS_TRAFFIC_ALL",
    Component.MONITOR: "INGRESS_TRAFFIC_INTERNAL_ONLY",
}


def service_id(component: Component) -> str:
    """Return the name of a service within its project and region."""
    return f"petmood-{component}"


def service_spec(settings: CloudSettings, component: Component) -> Spec:
    """Return the specification of one service.

    Every instance has its processors all the time (``cpuIdle`` false): the API follows an alias and the collector
    scrapes between requests, too.

    Raises:
        ConfigError: the page has no address of the API, or the monitor no database.
    """
    size: ServiceSize = getattr(settings, component.value)
    containers = [_container(settings, component, size)]
    if component is not Component.PAGE:
        containers.append(_collector(settings, component))
    mounted = _sql_volumes(settings) if component is not Component.PAGE else []
    template: Spec = {
        "labels": {**LABELS, "component": component.value},
        "serviceAccount": settings.account(component),
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "maxInstanceRequestConcurrency": size.concurrency,
        "timeout": f"{size.timeout_s}s",
        "scaling": {"minInstanceCount": size.min_instances, "maxInstanceCount": size.max_instances},
        "sessionAffinity": component is Component.PAGE,
        "containers": containers,
    }
    if mounted:
        template["volumes"] = mounted
    return {
        "name": f"{settings.parent}/services/{service_id(component)}",
        "labels": {**LABELS, "component": component.value},
        "ingress": INGRESS[component],
        "template": template,
        "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
    }


def _container(settings: CloudSettings, component: Component, size: ServiceSize) -> Spec:
    startup, liveness = HEALTH_ROUTES[component]
    container: Spec = {
        "name": component.value,
        "image": settings.image("serve" if component is Component.API else component.value),
        "command": ["petmood"],
        "args": _arguments(settings, component),
        "ports": [{"name": "http1", "containerPort": PORT}],
        "env": _environment(settings, component),
        "resources": {
            "limits": {"cpu": str(size.cpu), "memory": size.memory},
            "cpuIdle": False,
            "startupCpuBoost": True,
        },
        "startupProbe": {
            "httpGet": {"path": startup, "port": PORT},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 48,
        },
        "livenessProbe": {
            "httpGet": {"path": liveness, "port": PORT},
            "periodSeconds": 30,
            "timeoutSeconds": 10,
            "failureThreshold": 3,
        },
    }
    if component is not Component.PAGE and settings.cloud_sql:
        container["volumeMounts"] = [{"name": "cloudsql", "mountPath": "/cloudsql"}]
    return container


def _arguments(settings: CloudSettings, component: Component) -> list[str]:
    everywhere = ["--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - a container behind Cloud Run's front end
    if component is Component.API:
        return ["serve", settings.model, *everywhere, "--log", "json"]
    if component is Component.PAGE:
        return ["page", *everywhere]
    return ["monitor", "serve", "--bundle", settings.model, *everywhere]


def _environment(settings: CloudSettings, component: Component) -> list[Spec]:
    if component is Component.PAGE:
        if settings.api_url is None:
            raise ConfigError(
                "Expected the address of the API, which the page calls, got none. Give it with --api-url; "
                "`petmood cloud status` lists it."
            )
        return [{"name": API_URL_VARIABLE, "value": settings.api_url}, _secret(TOKEN_VARIABLE, settings.token_secret)]
    plain = {"GOOGLE_CLOUD_PROJECT": settings.project, ADDRESS_VARIABLE: settings.registry}
    secrets = [_secret(LOG_VARIABLE, settings.log_secret)] if settings.cloud_sql else []
    if component is Component.API:
        plain |= {"PETMOOD_TRUSTED_PROXIES": "*", "PETMOOD_PROXY_HOPS": "1"}
        secrets = [_secret(TOKEN_VARIABLE, settings.token_secret), *secrets]
    elif not secrets:
        raise ConfigError(
            "Expected cloud_sql, the database of the prediction log that the monitor reads, got none. "
            "Set it in --settings, or deploy the other services by name."
        )
    return [*({"name": name, "value": value} for name, value in plain.items()), *secrets]


def _secret(name: str, secret: str) -> Spec:
    return {"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": "latest"}}}


def _collector(settings: CloudSettings, component: Component) -> Spec:
    """Return the side-car container that sends ``/metrics`` to Managed Service for Prometheus every 30 s."""
    return {
        "name": COLLECTOR,
        "image": settings.collector,
        "dependsOn": [component.value],
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "cpuIdle": False},
        "livenessProbe": {"httpGet": {"path": "/", "port": 13133}, "periodSeconds": 30, "timeoutSeconds": 30},
    }


def _sql_volumes(settings: CloudSettings) -> list[Spec]:
    if settings.cloud_sql is None:
        return []
    return [{"name": "cloudsql", "cloudSqlInstance": {"instances": [settings.cloud_sql]}}]

"""Submission of specifications to Google Cloud by its client libraries, with errors as one line.

The libraries are imported when a client is made: the types of Vertex AI take some ten seconds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from petmood.cloud.services import LABELS
from petmood.cloud.settings import CloudSettings
from petmood.core.commands import shell_command
from petmood.core.errors import CloudError
from petmood.core.extras import require
from petmood.core.redact import one_line

__all__ = [
    "ResourceState",
    "deploy_service",
    "job_states",
    "jobs_client",
    "service_states",
    "services_client",
    "submit_job",
]

RUN: Final = "run.googleapis.com"
VERTEX: Final = "aiplatform.googleapis.com"
DEPLOY_WITHIN_S: Final = 600
REQUEST_WITHIN_S: Final = 60
NEWEST: Final = 20
DEPLOYED: Final = "petmood/deployed"
"""Annotation of a revision: the time of its deployment (UTC)."""
REQUEST: Final = re.compile(r"^[A-Z]+ https?://\S+: ")
LOGIN: Final = "Log in with: gcloud auth application-default login"


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A service or job with its state, the time of its last change (RFC 3339), and its address or error."""

    kind: str
    name: str
    state: str
    changed: str
    detail: str = ""


def services_client(settings: CloudSettings) -> Any:  # noqa: ANN401 - the client's class is imported late
    """Return a client of the Cloud Run API.

    Raises:
        CloudError: there are no credentials.
        MissingDependency: google-cloud-run is not installed.
    """
    run = require("google.cloud.run_v2", extra="cloud")
    with _one_line(settings, api=RUN):
        return run.ServicesClient(transport="rest")


def jobs_client(settings: CloudSettings) -> Any:  # noqa: ANN401 - as above
    """Return a client of the Vertex AI API in the region of the settings; the import takes some ten seconds.

    Raises:
        CloudError: there are no credentials.
        MissingDependency: google-cloud-aiplatform is not installed.
    """
    vertex = require("google.cloud.aiplatform_v1", extra="cloud")
    options = {"api_endpoint": f"{settings.region}-{VERTEX}"}
    with _one_line(settings, api=VERTEX):
        return vertex.JobServiceClient(transport="rest", client_options=options)


def deploy_service(client: Any, settings: CloudSettings, spec: dict[str, Any]) -> str:  # noqa: ANN401 - as above
    """Create or update a service, wait until it serves, and return its address.

    Each call makes a new revision, for which Cloud Run resolves the tag of the image again. Without a difference in
    the template it would make none; the time of the deployment is one.

    Raises:
        CloudError: the API rejects the specification or the account, or the new revision doesn't become ready.
    """
    run = require("google.cloud.run_v2", extra="cloud")
    message = _parsed(spec, run.Service.pb()())
    message.template.annotations[DEPLOYED] = datetime.now(UTC).isoformat(timespec="microseconds")
    with _one_line(settings, api=RUN):
        operation = client.update_service(
            run.UpdateServiceRequest(service=run.Service.wrap(message), allow_missing=True), timeout=REQUEST_WITHIN_S
        )
        return str(operation.result(timeout=DEPLOY_WITHIN_S).uri)


def submit_job(client: Any, settings: CloudSettings, spec: dict[str, Any]) -> str:  # noqa: ANN401 - as above
    """Start a training job, and return its resource name.

    Raises:
        CloudError: the API rejects the specification or the account.
    """
    vertex = require("google.cloud.aiplatform_v1", extra="cloud")
    message = _parsed(spec, vertex.CustomJob.pb()())
    with _one_line(settings, api=VERTEX):
        made = client.create_custom_job(
            parent=settings.parent, custom_job=vertex.CustomJob.wrap(message), timeout=REQUEST_WITHIN_S
        )
        return str(made.name)


def service_states(client: Any, settings: CloudSettings) -> list[ResourceState]:  # noqa: ANN401 - as above
    """Return petmood's services in the project and region.

    Raises:
        CloudError: they can't be listed.
    """
    found = []
    with _one_line(settings, api=RUN):
        for one in client.list_services(parent=settings.parent, timeout=REQUEST_WITHIN_S):
            if dict(one.labels).get("app") == LABELS["app"]:
                ready = one.terminal_condition
                state = ready.state.name.removeprefix("CONDITION_").lower()
                detail = one.uri if state == "succeeded" else " ".join(ready.message.split()) or one.uri
                found.append(ResourceState("service", _last(one.name), state, _time(one.update_time), detail))
    return found


def job_states(client: Any, settings: CloudSettings) -> list[ResourceState]:  # noqa: ANN401 - as above
    """Return petmood's newest training jobs in the project and region, newest first.

    Raises:
        CloudError: they can't be listed.
    """
    found: list[ResourceState] = []
    request = {"parent": settings.parent, "filter": f"labels.app={LABELS['app']}", "page_size": NEWEST}
    with _one_line(settings, api=VERTEX):
        for one in client.list_custom_jobs(request=request, timeout=REQUEST_WITHIN_S):
            state = one.state.name.removeprefix("JOB_STATE_").lower()
            detail = " ".join(one.error.message.split()) or one.job_spec.base_output_directory.output_uri_prefix
            found.append(ResourceState("job", one.display_name, state, _time(one.update_time), detail))
            if len(found) == NEWEST:
                break
    return found


def _parsed(spec: dict[str, Any], message: Any) -> Any:  # noqa: ANN401 - a protobuf message
    """Return a specification as a message of the API."""
    return require("google.protobuf.json_format", extra="cloud").ParseDict(spec, message)


@contextmanager
def _one_line(settings: CloudSettings, *, api: str) -> Iterator[None]:
    """Raise CloudError with the next step for an error of the client libraries."""
    rejected = require("google.api_core.exceptions", extra="cloud")
    auth = require("google.auth.exceptions", extra="cloud")
    where = f"the project {settings.project} in {settings.region}"
    try:
        yield
    except auth.DefaultCredentialsError as error:
        raise CloudError(f"There are no credentials for Google Cloud. {LOGIN}") from error
    except (auth.GoogleAuthError, rejected.Unauthenticated, rejected.Unauthorized) as error:
        raise CloudError(f"The credentials for Google Cloud are not accepted ({_reason(error)}). {LOGIN}") from error
    except rejected.Forbidden as error:
        raise CloudError(_forbidden(error, settings, api=api)) from error
    except rejected.NotFound as error:
        raise CloudError(
            f"{api} found no such thing in {where} ({_reason(error)}). "
            "Check --project and --region, and that the names are those that Terraform made."
        ) from error
    except (rejected.TooManyRequests, rejected.ResourceExhausted) as error:
        raise CloudError(
            f"A quota of {where} is exhausted ({_reason(error)}). "
            "Wait, choose a smaller machine or another region, or request more at IAM & Admin > Quotas."
        ) from error
    except rejected.ClientError as error:
        raise CloudError(f"{api} rejects the request ({_reason(error)}). Print it with --dry-run.") from error
    except (rejected.GoogleAPIError, OSError, TimeoutError) as error:
        raise CloudError(
            f"{api} did not answer as expected ({_reason(error)}). Try again; `petmood cloud status` shows the state."
        ) from error


def _forbidden(error: Exception, settings: CloudSettings, *, api: str) -> str:
    if getattr(error, "reason", None) == "SERVICE_DISABLED" or "has not been used in project" in str(error):
        command = shell_command("services", "enable", api, "--project", settings.project, program="gcloud")
        return f"{api} is not enabled in the project {settings.project}. Enable it with: {command}"
    return (
        f"The account may not do this in the project {settings.project} ({_reason(error)}). "
        "docs/cloud.md lists the role of each step; Terraform grants them."
    )


def _reason(error: Exception) -> str:
    """Return the API's message on one line, without the address of the request before it."""
    message = getattr(error, "message", None)
    return one_line(Exception(REQUEST.sub("", message))) if isinstance(message, str) else one_line(error)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _time(moment: Any) -> str:  # noqa: ANN401 - a timestamp of the client library
    return moment.rfc3339().partition(".")[0].removesuffix("Z") + "Z" if moment else ""

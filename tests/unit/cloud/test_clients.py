"""Submission through the real client libraries to a local server that answers as Google's APIs do."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports import ServicesRestTransport

from petmood.cloud.clients import deploy_service, job_states, service_states, services_client, submit_job
from petmood.cloud.jobs import job_spec
from petmood.cloud.services import service_spec
from petmood.cloud.settings import CloudSettings, Component
from petmood.core.errors import CloudError
from tests.support.local_server import served_by

SETTINGS = CloudSettings(project="pets-12345")
SPEC = service_spec(SETTINGS, Component.API)
Answer = tuple[int, dict[str, Any]]


@dataclass
class Api:
    """What a server answers next, and the requests that it got."""

    answers: list[Answer]
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)


@contextmanager
def api_server(api: Api) -> Iterator[str]:
    """Run a server that gives the answers one after another, the last one from then on; yield its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.requests.append((self.command, self.path, json.loads(body or b"{}")))
            status, value = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names that the base class calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with served_by(Handler) as host:
        yield host


def nobody() -> AnonymousCredentials:
    """Return credentials that send nothing."""
    return AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has no type of it


@pytest.fixture
def client_of() -> Iterator[Callable[[Api], Any]]:
    """Return a function that makes a client of a server with these answers."""
    with ExitStack() as opened:

        def make(api: Api) -> Any:  # noqa: ANN401 - the client's methods are untyped
            host = opened.enter_context(api_server(api))
            transport = ServicesRestTransport(host=host, url_scheme="http", credentials=nobody())
            return run_v2.ServicesClient(transport=transport)

        yield make


def error(code: int, message: str, **more: Any) -> Answer:  # noqa: ANN401 - any JSON value
    """Return an answer as Google's APIs give errors."""
    return code, {"error": {"code": code, "message": message, **more}}


def test_a_service_is_updated_or_created_and_its_address_returned(client_of: Callable[[Api], Any]) -> None:
    kind = "type.googleapis.com/google.cloud.run.v2.Service"
    done = {"@type": kind, "name": SPEC["name"], "uri": "https://petmood-api-abc.a.run.app"}
    api = Api([(200, {"name": f"{SETTINGS.parent}/operations/1", "done": True, "response": done})])
    assert deploy_service(client_of(api), SETTINGS, SPEC) == "https://petmood-api-abc.a.run.app"
    ((method, path, body),) = api.requests
    assert (method, path.partition("?")[0]) == ("PATCH", f"/v2/{SPEC['name']}")
    assert "allowMissing=true" in path
    assert body["template"]["containers"][0]["args"][0] == "serve"
    assert body["template"]["containers"][1]["dependsOn"] == ["api"]


def test_the_same_tag_deployed_again_makes_a_new_revision(client_of: Callable[[Api], Any]) -> None:
    """Cloud Run makes one only if the template differs from that of the last."""
    kind = "type.googleapis.com/google.cloud.run.v2.Service"
    done = {"@type": kind, "name": SPEC["name"], "uri": "https://petmood-api-abc.a.run.app"}
    api = Api([(200, {"name": f"{SETTINGS.parent}/operations/1", "done": True, "response": done})])
    client = client_of(api)
    before = json.dumps(SPEC)
    for _ in range(2):
        deploy_service(client, SETTINGS, SPEC)
    first, second = (body["template"] for _, _, body in api.requests)
    assert first != second
    deployed = [one.pop("annotations")["petmood/deployed"] for one in (first, second)]
    assert first == second
    assert all(datetime.fromisoformat(one).utcoffset() == timedelta(0) for one in deployed)
    assert json.dumps(SPEC) == before


def test_states_are_those_of_petmood_s_services(client_of: Callable[[Api], Any]) -> None:
    def service(name: str, label: str, state: str, message: str = "") -> dict[str, Any]:
        return {
            "name": f"{SETTINGS.parent}/services/{name}",
            "labels": {"app": label},
            "uri": f"https://{name}.a.run.app",
            "updateTime": "2026-01-02T03:04:05.678Z",
            "terminalCondition": {"state": state, "message": message},
        }

    listed = [
        service("petmood-api", "petmood", "CONDITION_SUCCEEDED"),
        service("petmood-page", "petmood", "CONDITION_FAILED", "The container\nfailed to start."),
        service("other", "other", "CONDITION_SUCCEEDED"),
    ]
    api, page = service_states(client_of(Api([(200, {"services": listed})])), SETTINGS)
    assert (api.name, api.state, api.detail) == ("petmood-api", "succeeded", "https://petmood-api.a.run.app")
    assert api.changed == "2026-01-02T03:04:05Z"
    assert (page.name, page.state, page.detail) == ("petmood-page", "failed", "The container failed to start.")


DISABLED = {
    "status": "PERMISSION_DENIED",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}
    ],
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error(401, "Invalid credentials."), "gcloud auth application-default login"),
        (error(403, "Permission 'run.services.update' denied."), "docs/cloud.md lists the role"),
        (error(403, "Off.", **DISABLED), "services enable run.googleapis.com --project pets-12345"),
        (error(404, "Project not found."), "Check --project and --region"),
        (error(400, "Invalid\nvalue for cpu."), "rejects the request (Invalid value for cpu.). Print"),
        (error(429, "Quota exceeded."), "A quota of the project pets-12345 in us-central1 is exhausted"),
        (error(500, "Oops."), "did not answer as expected"),
    ],
)
def test_an_error_of_the_api_is_one_line_with_the_next_step(
    client_of: Callable[[Api], Any], answer: Answer, told: str
) -> None:
    with pytest.raises(CloudError) as refused:
        deploy_service(client_of(Api([answer])), SETTINGS, SPEC)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_revision_that_doesn_t_start_is_an_error(client_of: Callable[[Api], Any]) -> None:
    failed = {"code": 9, "message": "The user-provided container failed the configured startup probe checks."}
    api = Api([(200, {"name": f"{SETTINGS.parent}/operations/1", "done": True, "error": failed})])
    with pytest.raises(CloudError, match="startup probe"):
        deploy_service(client_of(api), SETTINGS, SPEC)


def test_without_credentials_the_next_step_is_to_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "nowhere")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(CloudError, match=r"no credentials for Google Cloud\. Log in with: gcloud auth"):
        services_client(SETTINGS)


@pytest.mark.proof  # the import of the types takes some ten seconds
def test_jobs_are_submitted_and_listed() -> None:
    from google.cloud import aiplatform_v1  # noqa: PLC0415 - some ten seconds
    from google.cloud.aiplatform_v1.services.job_service.transports.rest import (  # noqa: PLC0415 - with it
        JobServiceRestTransport,
    )

    spec = job_spec(SETTINGS, name="first", overrides=["epochs=3"])
    made = f"{SETTINGS.parent}/customJobs/1"
    failed = {**spec, "name": made, "state": "JOB_STATE_FAILED", "error": {"code": 9, "message": "The replica\nended."}}
    running = {**spec, "displayName": "second", "state": "JOB_STATE_RUNNING", "updateTime": "2026-01-02T03:04:05Z"}
    answers = [(200, {**spec, "name": made}), (200, {"customJobs": [running, failed]}), error(429, "Quota exceeded.")]
    api = Api(answers)
    with api_server(api) as host:
        transport = JobServiceRestTransport(host=host, url_scheme="http", credentials=nobody())
        client = aiplatform_v1.JobServiceClient(transport=transport)
        assert submit_job(client, SETTINGS, spec) == made
        second, first = job_states(client, SETTINGS)
        with pytest.raises(CloudError, match="A quota of the project"):
            submit_job(client, SETTINGS, spec)
    assert (second.name, second.state, second.changed) == ("second", "running", "2026-01-02T03:04:05Z")
    assert (first.name, first.state, first.detail) == ("first", "failed", "The replica ended.")
    method, path, body = api.requests[0]
    assert (method, path.partition("?")[0]) == ("POST", f"/v1/{SETTINGS.parent}/customJobs")
    assert body["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"] == ["epochs=3"]
    assert "labels.app" in api.requests[1][1]

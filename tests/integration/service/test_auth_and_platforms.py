"""Tests of tokens, origins, request ids, metrics, and the Cloud Run and Vertex AI contracts."""

import base64
import concurrent.futures
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from petmood.core.bundle import Bundle
from tests.support.fault_table import FaultTable
from tests.support.ports import free_port
from tests.support.served import COMMAND, Served, serving

proof = pytest.mark.proof
TOKEN: Final = secrets.token_hex(16)
ADMIN: Final = secrets.token_hex(16)
NOBODY: Final = 65534


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def attempt(bundle: Bundle, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the service with settings that should be rejected."""
    command = [*COMMAND, str(bundle.folder)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def guarded(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve behind tokens, for pages of one other origin."""
    log = tmp_path_factory.getbasetemp() / "guarded.log"
    environment = {"PETMOOD_TOKEN": TOKEN, "PETMOOD_ADMIN_TOKEN": ADMIN, "PETMOOD_ORIGINS": '["https://pets.example"]'}
    with serving(bundle.folder, log, given=environment) as served:
        yield served


def test_admin_routes_are_off_without_a_token_and_pages_of_others_are_refused(service: Served, good: bytes) -> None:
    assert service.ask("/models/load", method="POST", body=b'{"bundle": "x"}').code == "forbidden"
    assert service.predict(good, Origin="https://evil.example").code == "forbidden"


# --- 30 tokens, origins, ids ------------------------------------------------------------------------------------------


@proof
@pytest.mark.parametrize("path", ["/models/load", "/models/rollback", "/models/load/", "/%6dodels/load", "/models/x"])
@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer(TOKEN), bearer(ADMIN[:-1]), bearer(ADMIN + "a"), {"Authorization": f"Basic {ADMIN}"}],
    ids=["none", "empty", "the other token", "too short", "too long", "another scheme"],
)
def test_admin_routes_ask_for_their_token(guarded: Served, path: str, headers: dict[str, str]) -> None:
    answer = guarded.ask(path, method="POST", body=b'{"bundle": "x"}', headers=headers)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@proof
def test_predictions_ask_for_their_token_before_the_body(guarded: Served, good: bytes, table: FaultTable) -> None:
    refused = guarded.predict(good)
    table.add(30, "no token", refused.status, refused.code)
    assert refused.status == 401
    assert guarded.predict(good, **bearer(TOKEN)).status == 200
    assert guarded.ask("/model").status == 401
    assert guarded.ask("/model", headers=bearer(TOKEN)).status == 200
    assert guarded.ask("/readyz").status == 200
    text = guarded.log.read_text()
    assert TOKEN not in text
    assert ADMIN not in text


@proof
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "https://pets.example.evil.example", "file://", "\xff"]
)
def test_posts_of_other_pages_are_refused(guarded: Served, good: bytes, table: FaultTable, origin: str) -> None:
    for path, token in (("/predict", TOKEN), ("/models/rollback", ADMIN)):
        answer = guarded.ask(path, method="POST", body=good, headers=bearer(token) | {"Origin": origin})
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
    table.add(30, f"a post of a page of {origin!r}", answer.status, answer.code)


@proof
def test_pages_of_allowed_origins_may_ask_and_read_answers_and_refusals(guarded: Served, good: bytes) -> None:
    page = {"Origin": "https://pets.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    before = guarded.ask("/predict", method="OPTIONS", headers=page | asked)
    assert before.status == 200
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    for answer in (guarded.predict(good, **bearer(TOKEN), **page), guarded.predict(good, **page)):
        assert answer.headers["access-control-allow-origin"] == "https://pets.example"


@proof
def test_a_page_of_the_service_itself_may_ask(service: Served, good: bytes) -> None:
    assert service.predict(good, Origin=f"http://127.0.0.1:{service.port}").status == 200


@proof
@pytest.mark.parametrize("name", ["PETMOOD_TOKEN", "PETMOOD_ADMIN_TOKEN"])
@pytest.mark.parametrize("token", ["admin", "password", "changeme", "a" * 40, "abcabcabcabcabcabc"])
def test_a_token_that_is_guessed_is_refused_at_the_start(bundle: Bundle, name: str, token: str) -> None:
    ended = attempt(bundle, {name: token})
    assert ended.returncode == 2
    assert "too weak" in ended.stderr
    assert token not in ended.stderr.replace("admin_token", "")
    assert "Traceback" not in ended.stderr


@proof
def test_ids_are_unique_and_a_senders_own_are_echoed_when_they_are_plain(service: Served, good: bytes) -> None:
    def ids(_: int) -> list[str]:
        return [service.ask("/livez").headers["x-request-id"] for _ in range(100)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = [one for some in threads.map(ids, range(8)) for one in some]
    assert len(set(found)) == 800
    own = service.predict(good, **{"X-Request-Id": "my.id-1"})
    assert own.headers["x-request-id"] == own.body["request_id"] == "my.id-1"
    for rubbish in ("a" * 65, "a b", '"}{', "a;b", "\xe9"):
        assert service.ask("/livez", headers={"X-Request-Id": rubbish}).headers["x-request-id"] != rubbish


@proof
def test_no_timeout_looks_at_the_clock_on_the_wall(root: Path) -> None:
    """Wall-clock changes have no effect if only monotonic clocks are read."""
    wall = re.compile(r"time\.time\(|datetime\.now\((?!UTC)|utcnow|localtime")
    sources = [*(root / "src/petmood/serving").rglob("*.py"), *(root / "src/petmood/inference").rglob("*.py")]
    assert [str(path) for path in sources if wall.search(path.read_text("utf-8"))] == []


@proof
def test_the_rate_is_held_for_each_address(bundle: Bundle, good: bytes, log: Path) -> None:
    with serving(bundle.folder, log, PETMOOD_RATE_PER_MINUTE="5") as served:
        began, answers = time.monotonic(), [served.predict(good)]
        while answers[-1].status == 200 and len(answers) < 1000:
            answers.append(served.predict(good))
        saved_up = 5 + (time.monotonic() - began) * 5 / 60
        assert 5 <= len(answers) - 1 <= saved_up, "five at once, and one more for every 12 seconds"
        assert answers[-1].status == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        assert served.predict(good, **{"X-Forwarded-For": "10.0.0.1"}).status == 200, "a proxy here is believed"


# --- metrics with several processes -----------------------------------------------------------------------------------


@proof
def test_two_processes_count_as_one(bundle: Bundle, good: bytes, log: Path) -> None:
    with serving(bundle.folder, log, options=["--port", "0", "--workers", "2"]) as served:
        wanted = 'petmood_requests_total{method="POST",route="/predict",status="%d"}'
        before = served.numbers()
        assert len(served.pids) == 2
        ids = set()
        for _ in range(40):
            ids.add(served.predict(good).body["request_id"])
            assert served.predict(good[:500]).status == 422
        after = served.numbers()
        grown = {name: after[name] - before.get(name, 0) for name in after}
        assert len(ids) == 40
        assert grown[wanted % 200] == grown[wanted % 422] == 40
        assert grown['petmood_errors_total{code="corrupt_image"}'] == 40
        assert grown['petmood_rejected_photos_total{code="corrupt_image"}'] == 40
        assert sum(grown[name] for name in grown if name.startswith("petmood_predictions_total")) == 40
        duration = 'petmood_request_duration_seconds_count{method="POST",route="/predict",status="%s"}'
        assert grown[duration % "2xx"] == grown[duration % "4xx"] == 40
        assert after["petmood_requests_in_flight"] == 1


# --- Cloud Run and Vertex AI ------------------------------------------------------------------------------------------


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Return a folder that every user can read; pytest closes its own whenever another session of it starts."""
    with tempfile.TemporaryDirectory(prefix="petmood-public-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@pytest.mark.posix
@proof
def test_cloud_run_gives_the_port_and_takes_everything_else_away(
    bundle: Bundle, good: bytes, public_folder: Path, log: Path
) -> None:
    """$PORT on all addresses, an unprivileged user, a read-only file system, and identical replicas."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root may become nobody")
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    readable = shutil.copytree(bundle.folder, public_folder / "bundle")
    readable.chmod(0o755)
    bodies = []
    for _ in range(2):
        port = free_port()
        environment = {"PORT": str(port), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
        with serving(readable, log, options=[], prefix=nobody, cwd=public_folder, given=environment) as served:
            assert served.port == port
            assert "http://0.0.0.0:" in served.log.read_text()
            status = Path(f"/proc/{served.process.pid}/status").read_text()
            assert re.search(rf"Uid:\s+{NOBODY}\s", status)
            answer = served.predict(good).body
            del answer["request_id"]
            bodies.append(json.dumps(answer))
            assert served.end() == 0
    assert bodies[0] == bodies[1]


@proof
def test_vertex_ai_gives_port_and_routes(bundle: Bundle, good: bytes, log: Path) -> None:
    port = free_port()
    environment = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/ping", "AIP_PREDICT_ROUTE": "/v1/predict"}
    with serving(bundle.folder, log, options=[], PETMOOD_TOKEN=TOKEN, given=environment) as served:
        assert served.port == port
        assert served.ask("/ping").status == 200
        text = base64.b64encode(good).decode()
        body = json.dumps({"instances": [{"b64": text}, {"b64": "!"}, {"b64": text}]}).encode()
        headers = {"Content-Type": "application/json"}
        assert served.ask("/v1/predict", method="POST", body=body, headers=headers).status == 401
        answer = served.ask("/v1/predict", method="POST", body=body, headers=headers | bearer(TOKEN))
        first, bad, second = answer.body["predictions"]
        assert first["probabilities"] == second["probabilities"]
        assert bad["code"] == "unprocessable_content"
        plain = served.predict(good, **bearer(TOKEN)).body
        assert plain["probabilities"] == first["probabilities"]


@proof
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PORT": "eighty"}, "port number"),
        ({"PORT": "99999"}, "port number"),
        ({"PETMOOD_QUEUE": "0"}, "PETMOOD_QUEUE"),
        ({"PETMOOD_QUEUE": "many"}, "PETMOOD_QUEUE"),
        ({"PETMOOD_ORIGINS": "https://a"}, "ORIGINS"),
        ({"AIP_PREDICT_ROUTE": "predict"}, "AIP_PREDICT_ROUTE"),
    ],
    ids=lambda value: next(iter(value)) + "=" + next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(bundle: Bundle, environment: dict[str, str], said: str) -> None:
    ended = attempt(bundle, environment)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr

"""Tests of the landing page, Swagger UI and their files: complete without other hosts, behind a strict policy."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from petmood.serving.routes.pages import OWN_FILES, SCRIPT

LINK = re.compile(r"""(?:src|href|action)=["']([^"']*)["']""")
IMPORT = re.compile(r"""^import .* from "\./(.*)";$""", re.MULTILINE)
ADDRESS = re.compile(r"""https?://[^\s"'<]+""")
EXAMPLES = {"http://127.0.0.1:8000", "http://127.0.0.1:8000/predict"}


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_everything_that_a_page_loads_comes_from_the_service_itself(served: Callable[..., Any], page: str) -> None:
    client = served().client
    response = client.get(page)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = [link for link in LINK.findall(response.text) if link != "data:,"]
    assert len(links) >= 3
    assert not any(link.startswith("//") or ":" in link for link in links)
    assert set(ADDRESS.findall(response.text)) <= EXAMPLES
    for link in links:
        assert client.get(urljoin(page, link)).status_code == (405 if link == "predict" else 200), link


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_a_page_may_load_and_ask_nothing_else(served: Callable[..., Any], page: str) -> None:
    response = served().client.get(page)
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == policy["form-action"] == "'self'"
    scripts = [hashlib.sha256(text.encode()).digest() for text in SCRIPT.findall(response.text)]
    assert len(scripts) == (1 if page == "/docs" else 0)
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in scripts]
    assert policy["script-src"].split() == ["'self'", *hashes]


def test_swagger_ui_asks_no_validator_of_another_host(served: Callable[..., Any]) -> None:
    assert '"validatorUrl": null' in served().client.get("/docs").text


@pytest.mark.parametrize("path", ["nothing.js", "../app.py", "%2e%2e/app.py", "main.py", ""])
def test_only_the_files_of_the_pages_are_given(served: Callable[..., Any], path: str) -> None:
    response = served().client.get(f"/static/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_file_of_a_page_is_not_sent_twice(served: Callable[..., Any]) -> None:
    client = served().client
    first = client.get("/static/swagger-ui.css")
    again = client.get("/static/swagger-ui.css", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["landing.js", "landing.css"])
def test_browsers_ask_whether_a_file_of_a_page_is_of_the_same_version(served: Callable[..., Any], path: str) -> None:
    client = served().client
    first = client.get(f"/static/{path}")
    again = client.get(f"/static/{path}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"


def test_every_script_that_a_script_imports_is_given_as_a_script(served: Callable[..., Any]) -> None:
    client, found, waiting = served().client, set[str](), ["landing.js"]
    while waiting:
        name = waiting.pop()
        response = client.get(f"/static/{name}")
        assert (response.status_code, response.headers["content-type"].split(";")[0]) == (200, "text/javascript"), name
        found.add(name)
        waiting += set(IMPORT.findall(response.text)) - found
    assert found == {path.name for path in OWN_FILES.glob("*.js")}


def test_requests_for_files_of_pages_are_counted_as_one_route(served: Callable[..., Any]) -> None:
    app = served()
    for path in ("landing.js", "swagger-ui.css", "nothing.js"):
        app.client.get(f"/static/{path}")
    counted = 'petmood_requests_total{method="GET",route="/static",status="%s"}'
    assert (app.counted(counted % 200), app.counted(counted % 404)) == (2, 1)


@pytest.mark.parametrize(
    "wanted", ["0-1", "a-b", "-" + "9" * 5000, "9999999-", ",".join(f"{n}-{n}" for n in range(0, 900, 3))]
)
def test_a_range_of_a_file_is_ignored(served: Callable[..., Any], wanted: str) -> None:
    client = served().client
    found = client.get("/static/landing.js", headers={"range": f"bytes={wanted}"})
    assert (found.status_code, found.content) == (200, client.get("/static/landing.js").content)


def test_the_landing_page_says_whether_photos_are_kept_and_how_long(served: Callable[..., Any], tmp_path: Path) -> None:
    assert "Photos are not stored." in served().client.get("/").text
    log = {"prediction_log": f"sqlite:///{tmp_path}/log.db", "prediction_log_spool": str(tmp_path / "spool")}
    assert "Photos are not stored." in served(**log).client.get("/").text
    page = served(keep_photos_days=7.5, **log).client.get("/").text
    assert "Photos are kept for 7.5 days." in page
    assert "not stored" not in page

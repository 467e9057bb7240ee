"""Bundle served by BentoML over sockets, and a built bento in an empty environment without torch."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

import petmood
from petmood.core.errors import CorruptImage
from petmood.core.schemas import ExplanationResponse, PredictionResponse
from tests.support.e2e_servers import PROGRAMS, running, server_environment
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle
from tests.support.waiting import wait_until
from tests.support.wire import upgrading_post

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

PHOTO = jpeg(photo_like(320, 240))
HEAVY = {"torch", "torchvision", "lightning", "hydra-core", "opencv-python-headless", "scikit-learn", "streamlit"}
CLIENT = """
import json, sys
from pathlib import Path
import bentoml
with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    print(json.dumps(client.predict(photo=Path(sys.argv[2]))))
    print(json.dumps(client.explain(photo=Path(sys.argv[2]))))
    try:
        client.predict(photo=Path(sys.argv[3]))
    except bentoml.exceptions.BentoMLException as error:
        print(error)
"""


def run(*command: object, home: Path, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; a failure shows what it said."""
    words = [str(word) for word in command]
    env = server_environment(home)
    done = subprocess.run(words, cwd=cwd or home, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for everything, with a bundle in it."""
    folder = tmp_path_factory.mktemp("bento")
    tiny_bundle(folder / "bundle")
    return folder


@pytest.fixture(scope="module")
def bento(place: Path) -> Path:
    """Build a bento as a person does, into a folder."""
    to = place / "made"
    said = run(PROGRAMS / "petmood", "bento", "build", place / "bundle", "--output", to, home=place / "home")
    assert f"bentoml serve {to}" in said
    assert not (place / "home/bentoml").exists()
    return to


@pytest.fixture(scope="module")
def clean(place: Path, bento: Path) -> Path:
    """Install exactly what the bento asks for, as its Dockerfile does, into an empty environment."""
    uv, to = (sys.executable, "-m", "uv"), place / "clean"
    asked = bento / "env/python/requirements.txt"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    install = [*uv, "pip", "install", "--quiet", "--python", str(to / "bin/python"), "-r", str(asked)]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(to)], check=True, env=env, cwd=place)
    subprocess.run(install, check=True, env=env, cwd=bento / "src")
    return to / "bin"


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[httpx.Client]:
    """Serve the bundle through BentoML, with batching."""
    command: list[str | Path] = [
        PROGRAMS / "petmood",
        "bento",
        place / "bundle",
        "--port",
        "{port}",
        "--max-batch",
        "4",
        "--max-latency-ms",
        "60000",  # BentoML drops what would take longer
    ]
    with running(command, home=place / "served", ready="/readyz") as client:
        yield client


def test_a_photo_is_answered_as_a_form_and_as_a_body(served: httpx.Client) -> None:
    form = served.post("/predict", files={"photo": ("a.jpg", PHOTO)})
    raw = served.post("/predict", content=PHOTO, headers={"Content-Type": "image/jpeg", "X-Request-Id": "abc"})
    assert form.status_code == raw.status_code == 200
    assert PredictionResponse.model_validate_json(form.content).label == raw.json()["label"]
    assert raw.json()["request_id"] == raw.headers["x-request-id"] == "abc"


def test_a_client_that_offers_http_2_gets_its_answer(served: httpx.Client) -> None:
    said = upgrading_post(served.base_url.port or 0, PHOTO, path="/predict")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"label"' in said


def test_bentoml_s_own_client_gets_the_answer_and_the_refusal(
    served: httpx.Client, place: Path, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(PHOTO)
    bad.write_bytes(b"no photo")
    said = run(sys.executable, "-c", CLIENT, served.base_url, good, bad, home=place / "client").splitlines()
    assert PredictionResponse.model_validate_json(said[0]).model.name == "demo"
    assert ExplanationResponse.model_validate_json(said[1]).method == "hirescam"
    assert "unsupported_format" in said[2]


def test_a_photo_is_explained_as_by_its_bundle_and_counts_no_prediction(served: httpx.Client, place: Path) -> None:
    def predictions() -> list[str]:
        return re.findall(r"petmood_predictions_total\{.*", served.get("/metrics").text)

    before, expected = predictions(), petmood.load_bundle(place / "bundle").explain(PHOTO).to_dict()
    with petmood.Client(str(served.base_url)) as client:
        found = client.explain(PHOTO)
        with pytest.raises(CorruptImage):
            client.explain(PHOTO[:2000])
    assert found.method == "hirescam"
    assert found.prediction.probabilities == expected["prediction"]["probabilities"]
    assert {label: one.tolist() for label, one in found.maps.items()} == {
        label: pytest.approx(np.array(rows, np.float32), abs=1e-4) for label, rows in expected["maps"].items()
    }
    assert predictions() == before
    assert 'route="/explain",status="422"' in served.get("/metrics").text


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"<svg/>", 415, "unsupported_format"),
        (PHOTO[:2000], 422, "corrupt_image"),
        (bytes(50_000_000), 413, "too_large"),
    ],
    ids=["empty", "svg", "half", "50 MB"],
)
def test_a_bad_photo_gets_its_status_and_code(served: httpx.Client, photo: bytes, status: int, code: str) -> None:
    got = served.post("/predict", files={"photo": ("a.jpg", photo)})
    assert (got.status_code, got.json()["code"]) == (status, code)
    assert served.post("/predict", files={"photo": ("a.jpg", PHOTO)}).status_code == 200


def test_its_metrics_are_bentoml_s_with_batches_in_them_and_the_service_s_own(served: httpx.Client) -> None:
    def ask(_: int) -> int:
        return served.post("/predict", files={"photo": ("a.jpg", PHOTO)}).status_code

    def some_came_together() -> str:
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(ask, range(64))) == {200}
        text = served.get("/metrics").text
        found = dict(re.findall(r"bentoml_service_adaptive_batch_size_(count|sum)\{.*\} (\S+)", text))
        return text if float(found["sum"]) > float(found["count"]) else ""

    text = wait_until(some_came_together)
    assert "bentoml_service_request_total" in text
    assert "petmood_predictions_total" in text
    assert served.get("/livez").status_code == served.get("/readyz").status_code == 200


def test_the_bento_asks_for_exact_versions_and_for_nothing_that_trains(bento: Path) -> None:
    lines = (bento / "env/python/requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in lines if "==" in line}
    assert {"bentoml", "onnxruntime", "numpy", "pillow"} <= names
    assert not names & HEAVY
    assert all("==" in line or line.startswith("./wheels/petmood-") for line in lines)


def test_its_container_file_installs_them_alone_and_runs_as_no_root(bento: Path) -> None:
    lines = (bento / "env/docker/Dockerfile").read_text().splitlines()
    steps = [line.strip() for line in lines if line.strip() and line[0] != "#"]
    assert next(line for line in steps if line.startswith("FROM")).startswith("FROM python:3.")
    assert [line for line in steps if line.startswith("USER")] == ["USER bentoml"]
    assert not any("torch" in line or "apt-get" in line for line in steps)
    assert {"ARG BENTOML_DO_NOT_TRACK=True", "ARG ORT_DISABLE_TELEMETRY=1"} <= set(steps)
    copied = steps.index("COPY --chown=bentoml:bentoml ./src/wheels ./src/wheels")
    installed = next(number for number, line in enumerate(steps) if "pip install -r" in line)
    assert copied < installed
    built = yaml.safe_load((bento / "bento.yaml").read_text())
    assert built["labels"]["model"] == "demo"


def test_the_bento_answers_a_photo_in_an_empty_environment(place: Path, bento: Path, clean: Path) -> None:
    listed = run(
        sys.executable, "-m", "uv", "pip", "list", "--format", "json", "--python", clean / "python", home=place
    )
    assert not {entry["name"] for entry in json.loads(listed)} & HEAVY
    command: list[str | Path] = [clean / "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", "{port}"]
    with running(command, home=place / "elsewhere", ready="/readyz") as client:
        got = client.post("/predict", files={"photo": ("a.jpg", PHOTO)})
        assert PredictionResponse.model_validate_json(got.content).model.name == "demo"
        assert not (place / "elsewhere/.cache").exists(), "ONNX Runtime made itself an identifier"
        bad = client.post("/predict", files={"photo": ("a.jpg", b"no photo")})
    assert (bad.status_code, bad.json()["code"]) == (415, "unsupported_format")


def test_a_bento_without_a_folder_is_in_the_store_and_listed(place: Path) -> None:
    home = place / "person"
    said = run(PROGRAMS / "petmood", "bento", "build", place / "bundle", home=home)
    tag = said.removeprefix("Bento: ").partition(". Next")[0]
    listed = json.loads(run(PROGRAMS / "bentoml", "list", "--output", "json", home=home))
    assert [entry["tag"] for entry in listed] == [tag]

"""Registries for tests: in a folder, in MLflow's SQLite, and in buckets of local servers."""

import atexit
import contextlib
import functools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import pytest
from gcp_storage_emulator.handlers import objects
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

from petmood.registry.uri import open_registry
from tests.support.ports import free_port

KINDS: Final = ("folder", "mlflow", "gcs", "s3")
BUCKET: Final = "petmood-tests"
NOBODY: Final = "not-a-real-one"
ONE_AT_A_TIME: Final = threading.Lock()


@contextlib.contextmanager
def gcs_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a Google Cloud Storage emulator, and yield its bucket's address.

    It ignores preconditions, which the real service keeps; the one that the registry stands on is added here.
    """
    plain = objects._multipart_upload

    def with_precondition(request: Any, response: Any, storage: Any) -> None:  # noqa: ANN401 - the emulator's own kinds
        name = request.data["meta"].get("name")
        with ONE_AT_A_TIME:
            if request.query.get("ifGenerationMatch") == ["0"] and _exists(storage, name):
                response.status = HTTPStatus.PRECONDITION_FAILED
                response.json({"error": {"code": 412, "message": "conditionNotMet"}})
                return
            plain(request, response, storage)

    monkeypatch.setattr(objects, "_multipart_upload", with_precondition)
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "petmood-tests")
        yield f"gs://{BUCKET}"
    finally:
        server.stop()


def _exists(storage: Any, name: str) -> bool:  # noqa: ANN401 - as above
    try:
        storage.get_file_obj(BUCKET, name)
    except Exception:  # noqa: BLE001 - the emulator's NotFound is not public
        return False
    return True


@contextlib.contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run an S3 server, and yield its bucket's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, NOBODY)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        httpx.post(
            f"http://{host}:{port}/moto-api/reset"
        ).raise_for_status()  # it keeps everything for the whole process
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        server.stop()


@functools.cache
def empty_mlflow_store() -> Path:
    """Make MLflow's database once for all tests of a process, for its migrations take seconds."""
    folder = Path(tempfile.mkdtemp(prefix="petmood-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    open_registry(f"sqlite:///{folder}/mlflow.db").versions()
    return folder / "mlflow.db"


@contextlib.contextmanager
def registry_address(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of an empty registry of a kind."""
    if kind == "folder":
        yield str(folder / "registry")
    elif kind == "mlflow":
        shutil.copyfile(empty_mlflow_store(), folder / "mlflow.db")
        yield f"sqlite:///{folder}/mlflow.db"
    elif kind == "gcs":
        with gcs_server(monkeypatch) as address:
            yield f"{address}/pets"
    else:
        with s3_server(monkeypatch) as address:
            yield f"{address}/pets"

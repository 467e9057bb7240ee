"""DVC remotes for end-to-end tests: a folder, a GCS emulator and an S3 server, with their real clients."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import httpx

from tests.support.e2e_servers import PROGRAMS, running
from tests.support.repositories import Repository

KINDS: Final = ("folder", "gcs", "s3")
BUCKET: Final = "pets"
PLACEHOLDER: Final = "not-a-real-one"
S3_ACCOUNT: Final = {
    "AWS_ACCESS_KEY_ID": PLACEHOLDER,
    "AWS_SECRET_ACCESS_KEY": PLACEHOLDER,
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """An address, what `dvc remote modify` has to know, the environment of its client, and a look at its names."""

    address: str
    names: Callable[[], set[str]]
    options: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def given_to(self, repository: Repository) -> Repository:
        """Name this place in a repository's committed settings, as a team would; return it with the environment."""
        ready = Repository(repository.folder, {**repository.env, **self.env})
        ready.run("dvc", "remote", "add", "--quiet", "--default", "team", self.address)
        for name, value in {"verify": "true", **self.options}.items():
            ready.run("dvc", "remote", "modify", "--quiet", "team", name, value)
        ready.commit("Say where data versions live")
        return ready


@contextlib.contextmanager
def opened(kind: str, home: Path, *, prefix: str) -> Iterator[Remote]:
    """Start a place of this kind, and yield it; the server of a bucket is a process of its own on a free port."""
    if kind == "folder":
        folder = home / prefix
        yield Remote(str(folder), lambda: {p.name for p in folder.rglob("*") if p.is_file()})
    elif kind == "gcs":
        start = ["--data-dir", str(home / "buckets"), "start", "--host", "127.0.0.1", "--port", "{port}", "--quiet"]
        command = [str(PROGRAMS / "gcp-storage-emulator"), *start, "--default-bucket", BUCKET]
        with running(command, home=home, ready="/") as client:
            env = {"STORAGE_EMULATOR_HOST": _address(client)}
            yield Remote(f"gs://{BUCKET}/{prefix}", lambda: _names_in_gcs(client, prefix), env=env)
    else:
        command = [str(PROGRAMS / "moto_server"), "--host", "127.0.0.1", "--port", "{port}"]
        with running(command, home=home, ready="/moto-api/") as client:
            storage = _s3(_address(client))
            storage.create_bucket(Bucket=BUCKET)
            options = {"endpointurl": _address(client)}
            yield Remote(f"s3://{BUCKET}/{prefix}", lambda: _names_in_s3(storage, prefix), options, S3_ACCOUNT)


def _address(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def _names_in_gcs(client: httpx.Client, prefix: str) -> set[str]:
    said = client.get(f"/storage/v1/b/{BUCKET}/o", params={"prefix": prefix}).raise_for_status().json()
    assert not said.get("nextPageToken")
    return {one["name"] for one in said.get("items", [])}


def _s3(address: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name=S3_ACCOUNT["AWS_DEFAULT_REGION"],
        aws_access_key_id=PLACEHOLDER,
        aws_secret_access_key=PLACEHOLDER,
    )


def _names_in_s3(storage: Any, prefix: str) -> set[str]:  # noqa: ANN401 - as above
    pages = storage.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {one["Key"] for page in pages for one in page.get("Contents", [])}

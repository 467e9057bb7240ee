"""Tests of the object store in S3, against a local server."""

from collections.abc import Iterator

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.s3 import S3Store
from tests.support.registries import s3_server
from tests.unit.registry.stores import gives_a_name_once, knows_its_names, refuses_in_one_line, refuses_large_objects


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a bucket on a server of our own."""
    with s3_server(monkeypatch) as address:
        yield address.partition("://")[2]


def test_a_name_is_given_once(bucket: str) -> None:
    gives_a_name_once(S3Store(bucket, "pets"))
    assert S3Store(bucket).read("pets/a/b.json") == b"third"


def test_objects_are_read_up_to_a_limit(bucket: str) -> None:
    refuses_large_objects(S3Store(bucket))


def test_names_are_sorted_and_what_is_not_there_is_nothing(bucket: str) -> None:
    knows_its_names(S3Store(bucket))


def test_a_bucket_that_is_not_there_is_one_line(bucket: str) -> None:
    store = S3Store(f"no-{bucket}")
    assert store.address.endswith(f"://no-{bucket}")
    refuses_in_one_line(store)


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    with pytest.raises(RegistryError, match=r"can't be accessed \(Unable to locate credentials"):
        S3Store(bucket).names("x")

"""Tests of the object store in Google Cloud Storage, against a local emulator."""

from collections.abc import Iterator

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.gcs import GcsStore
from tests.support.registries import gcs_server
from tests.unit.registry.stores import gives_a_name_once, knows_its_names, refuses_in_one_line, refuses_large_objects


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a bucket on a server of our own."""
    with gcs_server(monkeypatch) as address:
        yield address.partition("://")[2]


def test_a_name_is_given_once(bucket: str) -> None:
    gives_a_name_once(GcsStore(bucket, "pets"))
    assert GcsStore(bucket).read("pets/a/b.json") == b"third"


def test_objects_are_read_up_to_a_limit(bucket: str) -> None:
    refuses_large_objects(GcsStore(bucket))


def test_names_are_sorted_and_what_is_not_there_is_nothing(bucket: str) -> None:
    knows_its_names(GcsStore(bucket))


def test_a_bucket_that_is_not_there_is_one_line(bucket: str) -> None:
    store = GcsStore(f"no-{bucket}")
    assert store.address.endswith(f"://no-{bucket}")
    refuses_in_one_line(store)


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "nowhere")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(RegistryError, match="gs://petmood-tests can't be accessed"):
        GcsStore(bucket)

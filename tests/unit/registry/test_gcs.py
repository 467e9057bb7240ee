"""Does a Google Cloud Storage bucket keep each object, give a name to the first, and say in one line when it can't?"""

from collections.abc import Iterator

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.gcs import GcsStore
from tests.registries import gcs_server

__all__: list[str] = []


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a bucket on a server of our own."""
    with gcs_server(monkeypatch) as address:
        yield address.partition("://")[2]


def test_a_name_is_given_once(bucket: str) -> None:
    store = GcsStore(bucket, "pets")
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    store.replace("a/b.json", b"third")
    assert store.read("a/b.json") == b"third"
    assert GcsStore(bucket).read("pets/a/b.json") == b"third"


def test_names_are_sorted_and_what_is_not_there_is_nothing(bucket: str) -> None:
    store = GcsStore(bucket)
    for name in ("b", "a", "c/d"):
        store.create(f"x/{name}", b"1")
    assert store.names("x") == ["a", "b", "c"]
    assert store.names("y") == []
    assert store.read("y/z") is None


def test_a_bucket_that_is_not_there_is_one_line(bucket: str) -> None:
    store = GcsStore(f"no-{bucket}")
    assert store.address.endswith(f"://no-{bucket}")
    for call in (lambda: store.create("a", b"1"), lambda: store.replace("a", b"1"), lambda: store.names("a")):
        with pytest.raises(RegistryError, match=r"can't be used: ") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "nowhere")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(RegistryError, match="No access to gs://petmood-tests"):
        GcsStore(bucket)

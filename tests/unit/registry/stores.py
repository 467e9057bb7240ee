"""Checks that every object store must pass, shared by the tests of folders and buckets."""

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.objects import ObjectStore


def gives_a_name_once(store: ObjectStore) -> None:
    """The first who creates a name has it; what was replaced is what is read."""
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    store.replace("a/b.json", b"third")
    assert store.read("a/b.json") == b"third"


def refuses_large_objects(store: ObjectStore) -> None:
    """An object is read up to its limit, and beyond it is refused with both sizes; one without bytes is read too."""
    store.create("a/b.json", bytes(1000))
    assert store.read("a/b.json", max_bytes=1000) == bytes(1000)
    with pytest.raises(RegistryError, match=r"a/b\.json: expected at most 999 bytes, got 1,000\."):
        store.read("a/b.json", max_bytes=999)
    store.create("a/empty", b"")
    assert store.read("a/empty", max_bytes=0) == b""


def knows_its_names(store: ObjectStore) -> None:
    """Names are sorted, folders too; what is not there is nothing."""
    for name in ("b", "a", "c/d"):
        store.create(f"x/{name}", b"1")
    assert store.names("x") == ["a", "b", "c"]
    assert store.names("y") == []
    assert store.read("y/z") is None


def refuses_in_one_line(store: ObjectStore) -> None:
    """A bucket that is not there is told of, whatever is asked of it."""
    for call in (lambda: store.create("a", b"1"), lambda: store.replace("a", b"1"), lambda: store.names("a")):
        with pytest.raises(RegistryError, match=r"can't be accessed \(") as caught:
            call()
        assert "\n" not in str(caught.value)

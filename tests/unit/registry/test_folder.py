"""Does a folder keep each object whole, and give a name to the first who asks?"""

from pathlib import Path

from petmood.registry.folder import FolderStore

__all__: list[str] = []


def test_a_name_is_given_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new")
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    store.replace("a/b.json", b"third")
    assert store.read("a/b.json") == b"third"


def test_names_are_sorted_and_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for name in ("b", "a", "c/d"):
        store.create(f"x/{name}", b"")
    (tmp_path / "x/.e.partial").write_bytes(b"")
    assert store.names("x") == ["a", "b", "c"]
    assert store.names("y") == []
    assert store.read("y/z") is None

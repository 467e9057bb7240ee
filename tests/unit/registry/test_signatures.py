"""Tests of signatures of versions, in each backend: stored at the push, and demanded where a key is given."""

from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.errors import RegistryError, SignatureError
from petmood.core.signature import check_signature, read_signature, sign, signature_path
from petmood.registry.cache import cached
from petmood.registry.registry import Registry
from tests.support.signing import KeyPair, key_pair

MakeBundle = Callable[[str], Path]


@pytest.fixture
def keys(tmp_path: Path) -> KeyPair:
    """Return a pair of keys."""
    return key_pair(tmp_path / "keys")


def test_a_signature_travels_with_its_version(
    registry: Registry, make_bundle: MakeBundle, keys: KeyPair, tmp_path: Path
) -> None:
    folder = make_bundle("one")
    sign(folder, key=keys.private)
    version = registry.push(folder, by="me", public_key=keys.public)
    pulled = registry.pull(version, tmp_path / "pulled", public_key=keys.public).folder
    assert read_signature(pulled) == read_signature(folder)
    signature_path(pulled).unlink()
    registry.pull(version, tmp_path / "pulled", public_key=keys.public)
    check_signature(pulled, read_signature(pulled), public_key=keys.public)
    found = cached(registry, version, folder=tmp_path / "cache", with_signature=True).folder
    check_signature(found, read_signature(found), public_key=keys.public)
    assert registry.verify(tmp_path / "scratch", public_key=keys.public) == []


def test_a_version_without_a_signature_is_refused_where_one_is_demanded_until_it_is_signed(
    registry: Registry, make_bundle: MakeBundle, keys: KeyPair, tmp_path: Path
) -> None:
    folder = make_bundle("one")
    with pytest.raises(SignatureError, match="has no signature"):
        registry.push(folder, by="me", public_key=keys.public)
    assert registry.versions() == []
    version = registry.push(folder, by="me")
    with pytest.raises(SignatureError, match=r"Version 1 of petmood has no signature.*petmood bundle sign"):
        registry.pull(version, tmp_path / "pulled", public_key=keys.public)
    assert not (tmp_path / "pulled").exists()
    assert [issue.what for issue in registry.verify(tmp_path / "scratch", public_key=keys.public)] == ["version 1"]
    assert registry.pull(version, tmp_path / "open").sha256 == version.sha256
    assert read_signature(tmp_path / "open") is None
    sign(folder, key=keys.private)
    assert registry.push(folder, by="me") == version
    registry.pull(version, tmp_path / "pulled", public_key=keys.public)


def test_an_old_signature_beside_a_new_bundle_replaces_none_and_is_removed_by_a_pull_without_one(
    registry: Registry, make_bundle: MakeBundle, keys: KeyPair, tmp_path: Path
) -> None:
    signed, unsigned = make_bundle("one"), make_bundle("two")
    sign(signed, key=keys.private)
    version, other = registry.push(signed, by="me"), registry.push(unsigned, by="me")
    valid = signature_path(signed).read_bytes()
    sign(unsigned, key=keys.private)
    signature_path(signed).write_bytes(signature_path(unsigned).read_bytes())
    with pytest.raises(RegistryError, match="has another signature than the file beside this folder"):
        registry.push(signed, by="me")
    pulled = registry.pull(version, tmp_path / "pulled", public_key=keys.public).folder
    assert signature_path(pulled).read_bytes() == valid
    registry.pull(other, pulled, replace=True)
    assert read_signature(pulled) is None


def test_a_signature_is_replaced_by_one_that_is_checked(
    registry: Registry, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    folder, first, second = make_bundle("one"), key_pair(tmp_path / "first"), key_pair(tmp_path / "second")
    sign(folder, key=first.private)
    version = registry.push(folder, by="me")
    sign(folder, key=second.private)
    assert registry.push(folder, by="me", public_key=second.public) == version
    registry.pull(version, tmp_path / "pulled", public_key=second.public)


def test_another_key_and_the_signature_of_another_bundle_are_refused(
    registry: Registry, make_bundle: MakeBundle, keys: KeyPair, tmp_path: Path
) -> None:
    one, two, other = make_bundle("one"), make_bundle("two"), key_pair(tmp_path / "other")
    sign(one, key=other.private)
    signature_path(two).write_bytes(signature_path(one).read_bytes())
    for folder in (one, two):
        version = registry.push(folder, by="me")
        with pytest.raises(SignatureError, match="not valid"):
            registry.pull(version, tmp_path / "pulled", public_key=keys.public)
        assert not (tmp_path / "pulled").exists()
        held = registry.pull(version, tmp_path / f"held-{folder.name}").folder
        with pytest.raises(SignatureError, match="not valid"):
            registry.pull(version, held, public_key=keys.public)

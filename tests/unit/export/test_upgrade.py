"""Bundles of schema version 1 are converted to version 2, and named in one line where they are read as they are."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from petmood.core.bundle import read, verify
from petmood.core.errors import BundleError
from petmood.export.upgrade import DIGEST, FIELDS, RESIZE, upgrade_bundle
from tests.support.bundles import word_bundle

INDEX_1 = b"path,sha256,mood,split,family,role,width,height,format,species,note\n" + (
    f"photos/a.jpg,{'0' * 64},happy,train,f0,original,9,9,JPEG,cat,\n".encode()
)


def as_version_1(folder: Path, to: Path) -> Path:
    """Copy a bundle as one of schema version 1."""
    shutil.copytree(folder, to)
    raw = json.loads((to / "manifest.json").read_bytes())
    for name in ("manifest_digest", "data_kind", "outputs"):
        del raw[name]
    raw = {{new: old for old, new in FIELDS.items()}.get(name, name): value for name, value in raw.items()}
    raw["image"]["resize"] = {new: old for old, new in RESIZE.items()}[raw["image"]["resize"]]
    (to / "data.csv").write_bytes(INDEX_1)
    raw["files"]["data.csv"] = hashlib.sha256(INDEX_1).hexdigest()
    raw["schema_version"] = 1
    content = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    raw[DIGEST] = hashlib.sha256(content).hexdigest()
    (to / "manifest.json").write_text(json.dumps(raw))
    return to


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a bundle of schema version 1."""
    return as_version_1(word_bundle(tmp_path / "made", "one"), tmp_path / "old")


def test_an_upgraded_bundle_is_valid_and_says_the_same(old: Path, tmp_path: Path) -> None:
    before = read(tmp_path / "made/one")
    made = upgrade_bundle(old, to=tmp_path / "new")
    assert verify(tmp_path / "new").sha256 == made.sha256
    assert made.manifest.schema_version == 2
    same = {"files", "manifest_digest", "data_hash"}
    assert made.manifest.model_dump(exclude=same) == before.model_dump(exclude=same)
    index = (tmp_path / "new/data.csv").read_bytes()
    assert index.startswith(b"path,sha256,label,split,group_id,role,")
    assert made.manifest.data_hash == hashlib.sha256(index).hexdigest()
    assert (tmp_path / "new/model.onnx").read_bytes() == (old / "model.onnx").read_bytes()


def test_reading_an_old_bundle_names_the_command(old: Path) -> None:
    with pytest.raises(
        BundleError, match=r"expected schema version 2, got 1.*petmood bundle upgrade .*--output .*old-v2"
    ):
        read(old)


def test_a_damaged_or_newer_bundle_is_refused(old: Path, tmp_path: Path) -> None:
    (old / "card.md").write_text("changed")
    with pytest.raises(BundleError, match=r"card\.md was changed or damaged"):
        upgrade_bundle(old, to=tmp_path / "new")
    with pytest.raises(BundleError, match="expected schema version 1, got 2"):
        upgrade_bundle(tmp_path / "made/one", to=tmp_path / "new")
    raw = json.loads((old / "manifest.json").read_bytes()) | {"name": "other"}
    (old / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(BundleError, match="was changed after it was written"):
        upgrade_bundle(old, to=tmp_path / "new")
    (old / "manifest.json").write_text("[]")
    with pytest.raises(BundleError, match="isn't a bundle"):
        upgrade_bundle(old, to=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_target_that_exists_is_refused(old: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="exists"):
        upgrade_bundle(old, to=tmp_path / "made/one")


@pytest.mark.parametrize("name", ["../outside.txt", "link.txt"])
def test_nothing_outside_of_the_bundle_is_read(old: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_text("private")
    (old / "link.txt").symlink_to(tmp_path / "outside.txt")
    raw = json.loads((old / "manifest.json").read_bytes())
    del raw[DIGEST]
    raw["files"][name] = hashlib.sha256(b"private").hexdigest()
    content = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    (old / "manifest.json").write_text(json.dumps(raw | {DIGEST: hashlib.sha256(content).hexdigest()}))
    with pytest.raises(BundleError, match="got a link or a path outside it"):
        upgrade_bundle(old, to=tmp_path / "new")
    assert not (tmp_path / "new").exists()

"""Tests of writing, reading and verifying bundles, including damaged and forged ones."""

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.bundle import Bundle, Manifest, pack_arrays, read, read_golden, verify, write
from petmood.core.errors import BundleError
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES
from tests.support.images import faces

NAMES = ("model.onnx", "golden.npz", "reference.npz", "card.md")


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - any field of the manifest
    """Return a manifest before it is sealed."""
    fields: dict[str, Any] = {
        "name": "demo",
        "version": "1",
        "classes": DEFAULT_CLASSES,
        "image": ImageSpec(side_px=16),
        "temperature": 1.5,
        "confidence_threshold": 0.6,
        "conformal_quantile": 0.9,
        "metrics": {"test": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}},
        "backbone": "tiny",
        "data_hash": "d" * 64,
        "code_version": "0",
        "created": "2026-01-01T00:00:00Z",
        "config": {"lr": 1e-3, "layers": [1, 2], "name": "größe"},
        "files": {},
    }
    return Manifest.model_validate({**fields, **changes})


def files(**changes: bytes) -> dict[str, bytes]:
    """Return the bytes of a bundle's files; name them with _ for the dot."""
    golden = pack_arrays(pixels=faces(3, side_px=16), logits=np.zeros((3, 4), np.float32))
    whole = {"model.onnx": b"graph" * 50, "golden.npz": golden, "reference.npz": pack_arrays(mean=np.zeros(3))}
    return {**whole, "card.md": b"# demo\n", **{name.replace("_", "."): data for name, data in changes.items()}}


@pytest.fixture
def whole(tmp_path: Path) -> Bundle:
    """Return a freshly written bundle."""
    return write(tmp_path / "demo", manifest(), files())


def rewrite(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - any JSON
    """Change the manifest's JSON as an editor would, without sealing it again."""
    raw = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**raw, **changes}), "utf-8")


def forge(folder: Path, name: str, data: bytes) -> Bundle:
    """Replace a file and seal the manifest again, as someone would who can do both."""
    (folder / name).write_bytes(data)
    hashes = {**read(folder).files, name: hashlib.sha256(data).hexdigest()}
    forged = read(folder).model_copy(update={"files": hashes}).with_digest()
    (folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    return verify(folder)


# --- whole bundles ----------------------------------------------------------------------------------------------------


def test_what_was_written_is_read_and_verified(whole: Bundle) -> None:
    assert read(whole.folder) == whole.manifest
    assert verify(whole.folder) == whole
    assert sorted(whole.manifest.files) == sorted(NAMES)
    assert whole.sha256 == hashlib.sha256((whole.folder / "manifest.json").read_bytes()).hexdigest()
    assert sorted(path.name for path in whole.folder.parent.iterdir()) == ["demo"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, whole: Bundle) -> None:
    again = write(tmp_path / "again", manifest(), dict(reversed(files().items())))
    assert again.sha256 == whole.sha256


def test_variants_of_the_model_travel_with_it(tmp_path: Path) -> None:
    written = write(tmp_path / "b", manifest(), {**files(), "model.int8.onnx": b"small"})
    assert "model.int8.onnx" in verify(written.folder).manifest.files


def test_the_manifest_gives_how_logits_become_answers(whole: Bundle) -> None:
    decision = whole.manifest.decision
    assert (decision.classes, decision.confidence_threshold, decision.conformal_quantile) == (DEFAULT_CLASSES, 0.6, 0.9)


def test_metrics_that_json_cant_say_survive_or_are_refused_when_written(tmp_path: Path) -> None:
    odd = manifest(metrics={"x": float("nan"), "y": [float("inf")], "z": (1, 2)}, config={"path": {1: None}})
    written = write(tmp_path / "b", odd, files())
    assert verify(written.folder).sha256 == written.sha256


def test_a_bundle_is_never_changed_unless_it_is_replaced_as_a_whole(whole: Bundle) -> None:
    with pytest.raises(BundleError, match="bundles are immutable"):
        write(whole.folder, manifest(version="2"), files())
    assert verify(whole.folder).manifest.version == "1"
    write(whole.folder, manifest(version="2"), files(), replace=True)
    assert verify(whole.folder).manifest.version == "2"


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_without_a_required_file_is_not_written(tmp_path: Path, name: str) -> None:
    some = {key: data for key, data in files().items() if key != name}
    with pytest.raises(BundleError, match=f"missing: {name}"):
        write(tmp_path / "b", manifest(), some)
    assert list(tmp_path.iterdir()) == []


# --- 26 damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "manifest.json"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.97])
def test_one_flipped_bit_in_any_file_is_found(whole: Bundle, name: str, place: float) -> None:
    path = whole.folder / name
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError) as refusal:
        verify(whole.folder)
    assert "\n" not in str(refusal.value)


def test_every_single_bit_of_the_manifest_counts_or_changes_nothing(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes((data[place] ^ 4,)) + data[place + 1 :])
        try:
            found = read(whole.folder)
        except BundleError:
            continue
        assert found == whole.manifest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("left", [0, 20])
def test_a_truncated_or_empty_file_is_found(whole: Bundle, name: str, left: int) -> None:
    os.truncate(whole.folder / name, min(left, (whole.folder / name).stat().st_size - 1))
    with pytest.raises(BundleError, match="changed or damaged"):
        verify(whole.folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(whole: Bundle, name: str) -> None:
    (whole.folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        verify(whole.folder)


def test_a_folder_that_is_no_bundle_is_shown_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match="petmood export RUN --output"):
            verify(folder)


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        read(folder)
    return str(error.value)


def test_a_folder_that_does_not_exist_is_told_from_one_without_a_manifest(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert refusal(missing).startswith(f"No bundle at {missing}: the folder does not exist. Check the path, or export")
    assert refusal(tmp_path).startswith(f"{tmp_path} is not a bundle: manifest.json is missing. Export one with: ")


def test_a_file_in_place_of_a_bundle_is_named(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    assert refusal(path) == f"{path} is a file, not a bundle. Give the bundle's folder."


def test_a_run_in_place_of_a_bundle_names_the_command_that_exports_it(tmp_path: Path) -> None:
    run = tmp_path / "first run"
    run.mkdir()
    (run / "run.json").touch()
    assert refusal(run).startswith(f"{run} is a run, not a bundle. Export it with: ")
    assert refusal(run).endswith(f"export '{run}' --output 'bundles/first run'")


def test_a_dataset_in_place_of_a_bundle_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").touch()
    assert refusal(tmp_path) == f"{tmp_path} is a dataset, not a bundle. Give the bundle's folder."


def test_a_folder_of_bundles_names_them(whole: Bundle) -> None:
    write(whole.folder.with_name("another"), manifest(), files())
    (whole.folder.with_name("other")).mkdir()
    folder = whole.folder.parent
    assert refusal(folder) == f"{folder} is not a bundle: manifest.json is missing. Bundles in it: another, demo."


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 9.0},
        {"classes": ["sad", "happy", "other", "angry"]},
        {"confidence_threshold": 0.0},
        {"image": {**ImageSpec(side_px=16).model_dump(), "resize": "letterbox"}},
        {"files": {}},
        {"manifest_digest": ""},
    ],
)
def test_a_changed_manifest_is_refused_by_its_seal(whole: Bundle, changes: dict[str, Any]) -> None:
    rewrite(whole.folder, **changes)
    with pytest.raises(BundleError, match="changed after it was written"):
        verify(whole.folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"temperature": 0}, "temperature"),
        ({"classes": None}, "classes"),
        ({"classes": ["one"]}, "classes"),
        ({"conformal_quantile": 2}, "conformal_quantile"),
        ({"extra": 1}, "extra"),
        ({"name": "../up"}, "name"),
    ],
)
def test_an_impossible_manifest_is_refused_by_the_name_of_the_field(
    whole: Bundle, changes: dict[str, Any], told: str
) -> None:
    rewrite(whole.folder, **changes)
    with pytest.raises(BundleError, match=f"damaged: {told}") as refusal:
        read(whole.folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("version", [None, 0, 1, 3, "2"])
def test_another_schema_is_refused_with_the_expected_one(whole: Bundle, version: object) -> None:
    rewrite(whole.folder, schema_version=version)
    with pytest.raises(BundleError, match="expected schema version 2, got"):
        read(whole.folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
def test_rubbish_for_a_manifest_is_refused_in_one_line(whole: Bundle, text: bytes) -> None:
    (whole.folder / "manifest.json").write_bytes(text)
    with pytest.raises(BundleError) as refusal:
        read(whole.folder)
    assert "\n" not in str(refusal.value)


# --- 27 what doesn't belong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._model.onnx"])
def test_a_file_manager_s_file_doesn_t_damage_a_bundle(whole: Bundle, name: str) -> None:
    (whole.folder / name).write_bytes(b"view")
    assert verify(whole.folder) == whole


def test_a_damaged_manifest_is_explained_in_the_project_s_words(whole: Bundle) -> None:
    path = whole.folder / "manifest.json"
    intact = json.loads(path.read_text())
    for change, said in (
        ({"temperature": "hot"}, "temperature: Expected a number, got 'hot'"),
        ({"extra": 1}, "extra: "),
    ):
        path.write_text(json.dumps({**intact, **change}))
        with pytest.raises(BundleError, match=said) as refusal:
            verify(whole.folder)
        assert "Input should" not in str(refusal.value)
        assert "permitted" not in str(refusal.value)


def test_a_foreign_file_or_folder_is_named(whole: Bundle) -> None:
    (whole.folder / "evil.so").touch()
    (whole.folder / "cache").mkdir()
    with pytest.raises(BundleError, match=r"does not list: cache, evil\.so"):
        verify(whole.folder)


@pytest.mark.parametrize("name", [*NAMES, "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused_even_when_it_leads_to_the_same_bytes(whole: Bundle, name: str) -> None:
    outside = whole.folder.parent / "outside"
    (whole.folder / name).rename(outside)
    (whole.folder / name).symlink_to(outside)
    with pytest.raises(BundleError, match="link"):
        verify(whole.folder)


@pytest.mark.parametrize("name", ["../outside", "sub/file", "/etc/hostname", "..", "", "a\0b"])
def test_a_manifest_that_points_out_of_its_folder_is_refused(whole: Bundle, name: str) -> None:
    (whole.folder.parent / "outside").write_bytes(b"x")
    forged = whole.manifest.model_copy(update={"files": {**whole.manifest.files, name: "0" * 64}}).with_digest()
    (whole.folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    with pytest.raises(BundleError, match=r"outside it|missing"):
        verify(whole.folder)


def test_a_manifest_that_lists_no_model_is_refused(whole: Bundle) -> None:
    rest = {name: digest for name, digest in whole.manifest.files.items() if name != "model.onnx"}
    forged = whole.manifest.model_copy(update={"files": rest}).with_digest()
    (whole.folder / "manifest.json").write_text(forged.model_dump_json(), "utf-8")
    with pytest.raises(BundleError, match=r"does not list model\.onnx"):
        verify(whole.folder)


# --- golden photos ----------------------------------------------------------------------------------------------------


@dataclass
class Explosive:
    """An object that leaves a mark when it is unpickled."""

    mark: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_golden_photos_come_back_as_they_were(whole: Bundle) -> None:
    golden = read_golden(whole)
    assert np.array_equal(golden.pixels, faces(3, side_px=16))
    assert golden.pixels.dtype == np.uint8
    assert golden.logits.dtype == np.float32
    assert golden.logits.shape == (3, 4)


def test_objects_are_never_packed() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        pack_arrays(evil=np.array([{}], dtype=object))


def golden_bytes(name: str, mark: Path) -> bytes:
    """Build what is not a file of golden photos."""
    pixels, logits = faces(3, side_px=16), np.zeros((3, 4), np.float32)
    explosive = np.empty(1, dtype=object)
    explosive[0] = Explosive(mark)
    objects, single, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(objects, allow_pickle=True, pixels=explosive, logits=explosive)
    np.save(single, pixels)
    header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (8000000000000000000,), }"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("pixels.npy", header.ljust(127) + b"\n")
        file.writestr("logits.npy", b"")
    built: dict[str, Callable[[], bytes]] = {
        "a pickle": lambda: pickle.dumps(Explosive(mark)),
        "arrays of objects": objects.getvalue,
        "one array": single.getvalue,
        "8 EB": archive.getvalue,
        "nothing": lambda: b"",
        "half a file": lambda: files()["golden.npz"][:300],
        "rubbish in a zip's clothes": lambda: b"PK\x03\x04" + bytes(100),
        "no logits": lambda: pack_arrays(pixels=pixels),
        "other sizes": lambda: pack_arrays(pixels=faces(3, side_px=8), logits=logits),
        "other classes": lambda: pack_arrays(pixels=pixels, logits=logits[:, :3]),
        "other counts": lambda: pack_arrays(pixels=pixels, logits=logits[:2]),
        "no photos": lambda: pack_arrays(pixels=pixels[:0], logits=logits[:0]),
        "a number": lambda: pack_arrays(pixels=np.array(1, np.uint8), logits=np.array(1, np.float32)),
        "other types": lambda: pack_arrays(pixels=pixels.astype(np.float64), logits=logits),
    }
    return built[name]()


GOLDEN = (
    *("a pickle", "arrays of objects", "one array", "8 EB", "nothing", "half a file", "rubbish in a zip's clothes"),
    *("no logits", "other sizes", "other classes", "other counts", "no photos", "a number", "other types"),
)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_photos_that_are_none_are_refused_and_nothing_is_unpickled(whole: Bundle, name: str) -> None:
    mark = whole.folder.parent / "unpickled"
    forged = forge(whole.folder, "golden.npz", golden_bytes(name, mark))
    with pytest.raises(BundleError, match=r"golden\.npz") as refusal:
        read_golden(forged)
    assert "\n" not in str(refusal.value)
    assert not mark.exists()

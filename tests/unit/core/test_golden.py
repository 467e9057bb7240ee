"""Tests of the golden photos of a bundle, including forged ones."""

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.bundle import Bundle, pack_arrays, write
from petmood.core.domain import DomainRule
from petmood.core.errors import BundleError
from petmood.core.golden import read_golden, read_variant_golden
from tests.support.bundles import demo_files, demo_manifest, forge
from tests.support.images import faces
from tests.support.variants import variant_info

PIXELS = faces(3, side_px=16)
LOGITS = np.zeros((3, 4), np.float32)
RULE = DomainRule(features="efficientnet_lite0", animal_threshold=0.4, target_false_alarms=0.02)


@pytest.fixture
def whole(tmp_path: Path) -> Bundle:
    """Return a freshly written bundle."""
    return write(tmp_path / "demo", demo_manifest(), demo_files())


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


@pytest.mark.parametrize("count", [1, 64])
def test_one_to_64_golden_photos_are_read(whole: Bundle, count: int) -> None:
    pixels, logits = np.ones((count, 16, 16, 3), np.uint8), np.ones((count, 4), np.float32)
    golden = read_golden(forge(whole.folder, "golden.npz", pack_arrays(pixels=pixels, logits=logits)))
    assert np.array_equal(golden.pixels, pixels)
    assert np.array_equal(golden.logits, logits)


@pytest.mark.parametrize(
    ("pixels", "logits", "told"),
    [
        ((65, 16, 16, 3), (65, 4), "'pixels' to be uint8 of at most (64, 16, 16, 3), got uint8 of (65, 16, 16, 3)."),
        ((3, 16, 16, 4), (3, 4), "'pixels' to be uint8 of at most (64, 16, 16, 3), got uint8 of (3, 16, 16, 4)."),
        ((3, 16, 16, 3), (65, 4), "'logits' to be float32 of at most (64, 4), got float32 of (65, 4)."),
        ((3, 16, 16, 3), (3, 5), "'logits' to be float32 of at most (64, 4), got float32 of (3, 5)."),
        (
            (3, 16, 16, 2),
            (3, 4),
            "arrays uint8 (3, 16, 16, 3), float32 (3, 4), got uint8 (3, 16, 16, 2), float32 (3, 4).",
        ),
        (
            (3, 15, 16, 3),
            (2, 3),
            "arrays uint8 (2, 16, 16, 3), float32 (2, 4), got uint8 (3, 15, 16, 3), float32 (2, 3).",
        ),
        (
            (0, 16, 16, 3),
            (0, 4),
            "arrays uint8 (0, 16, 16, 3), float32 (0, 4), got uint8 (0, 16, 16, 3), float32 (0, 4).",
        ),
    ],
)
def test_golden_photos_of_other_shapes_are_refused_with_both(
    whole: Bundle, pixels: tuple[int, ...], logits: tuple[int, ...], told: str
) -> None:
    packed = pack_arrays(pixels=np.zeros(pixels, np.uint8), logits=np.zeros(logits, np.float32))
    forged = forge(whole.folder, "golden.npz", packed)
    with pytest.raises(BundleError) as error:
        read_golden(forged)
    assert str(error.value) == f"{whole.folder / 'golden.npz'}: expected {told} Export the run again."


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
        "half a file": lambda: demo_files()["golden.npz"][:300],
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


# --- domain scores ----------------------------------------------------------------------------------------------------

NOVELTY = np.array([0.5, 0.25, 3.0], np.float32)
ANIMAL = np.array([0.75, 1.0, 0.125], np.float32)
WANTED = "uint8 (3, 16, 16, 3), float32 (3, 4), float32 (3,), float32 (3,)"


def with_scores(folder: Path, **arrays: NDArray[Any]) -> Bundle:
    """Write a bundle with a domain rule, whose golden photos have these arrays as well."""
    golden = pack_arrays(pixels=PIXELS, logits=LOGITS, **arrays)
    return write(folder, demo_manifest(domain=RULE), demo_files(golden_npz=golden) | {"domain.onnx": b"graph"})


def test_with_a_domain_rule_the_scores_are_read(tmp_path: Path) -> None:
    golden = read_golden(with_scores(tmp_path / "b", animal=ANIMAL, novelty=NOVELTY))
    assert {name: scores.tolist() for name, scores in golden.scores.items()} == {
        "novelty": [0.5, 0.25, 3.0],
        "animal": [0.75, 1.0, 0.125],
    }
    assert {scores.dtype.name for scores in golden.scores.values()} == {"float32"}
    assert np.array_equal(golden.pixels, PIXELS)
    assert np.array_equal(golden.logits, LOGITS)


def test_without_a_domain_rule_scores_are_ignored(whole: Bundle) -> None:
    assert read_golden(whole).scores == {}
    odd = pack_arrays(pixels=PIXELS, logits=LOGITS, novelty=NOVELTY[:1], animal=np.array("x"))
    assert read_golden(forge(whole.folder, "golden.npz", odd)).scores == {}


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({}, "an array 'novelty' (float32 of at most (64,)), got none."),
        ({"novelty": NOVELTY}, "an array 'animal' (float32 of at most (64,)), got none."),
        ({"animal": ANIMAL}, "an array 'novelty' (float32 of at most (64,)), got none."),
        (
            {"novelty": NOVELTY.astype(np.float64), "animal": ANIMAL},
            "'novelty' to be float32 of at most (64,), got float64 of (3,).",
        ),
        (
            {"novelty": NOVELTY, "animal": np.ones(3, np.int32)},
            "'animal' to be float32 of at most (64,), got int32 of (3,).",
        ),
        (
            {"novelty": NOVELTY[:, None], "animal": ANIMAL},
            "'novelty' to be float32 of at most (64,), got float32 of (3, 1).",
        ),
        (
            {"novelty": np.ones(65, np.float32), "animal": ANIMAL},
            "'novelty' to be float32 of at most (64,), got float32 of (65,).",
        ),
        (
            {"novelty": NOVELTY[:2], "animal": ANIMAL},
            f"arrays {WANTED}, got uint8 (3, 16, 16, 3), float32 (3, 4), float32 (2,), float32 (3,).",
        ),
        (
            {"novelty": NOVELTY, "animal": np.ones(4, np.float32)},
            f"arrays {WANTED}, got uint8 (3, 16, 16, 3), float32 (3, 4), float32 (3,), float32 (4,).",
        ),
    ],
)
def test_missing_scores_and_those_of_another_type_or_shape_are_refused(
    tmp_path: Path, scores: dict[str, NDArray[Any]], told: str
) -> None:
    made = with_scores(tmp_path / "b", **scores)
    with pytest.raises(BundleError) as error:
        read_golden(made)
    assert str(error.value) == f"{made.folder / 'golden.npz'}: expected {told} Export the run again."


def test_a_variant_has_golden_outputs_of_its_own_for_the_same_photos(tmp_path: Path) -> None:
    outputs = {"logits": np.ones((3, 4), np.float32)}
    files = demo_files() | {"model.int8.onnx": b"small", "golden.int8.npz": pack_arrays(**outputs)}
    bundle = write(tmp_path / "both", demo_manifest(variants=[variant_info()]), files)
    (variant,) = bundle.manifest.variants
    assert np.array_equal(read_variant_golden(bundle, variant, photos=3)["logits"], outputs["logits"])
    with pytest.raises(BundleError, match=r"golden\.int8\.npz: expected outputs for 4 photos"):
        read_variant_golden(bundle, variant, photos=4)
    other = forge(bundle.folder, "golden.int8.npz", pack_arrays(logits=np.ones((3, 5), np.float32)))
    with pytest.raises(BundleError, match=r"golden\.int8\.npz.*Export the run again"):
        read_variant_golden(other, variant, photos=3)

"""Tests of imports from generated folder trees: accepted, reported and rejected entries."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.import_errors import REJECTED_NAME, read_problems
from petmood.data.importer import ImportOptions, import_photos
from petmood.data.index import read_index
from petmood.data.sources import open_source
from petmood.data.split import check_no_group_leaks
from petmood.data.validation.issues import validate_dataset
from tests.support.images import animated, cmyk_jpeg, exif, jpeg, photo_like, png, sixteen_bit_png
from tests.support.trees import bring_in, contents, mirror_finder, put, tree

PIXELS = photo_like(90, 70)
KINDS = {
    "grey.png": (png(PIXELS[..., 0]), "PNG", (90, 70)),
    "grey16.png": (sixteen_bit_png(np.full((70, 90), 30_000, np.uint16)), "PNG", (90, 70)),
    "rgba.png": (png(np.dstack([PIXELS, PIXELS[..., :1]])), "PNG", (90, 70)),
    "cmyk.jpg": (cmyk_jpeg(PIXELS, adobe=True), "JPEG", (90, 70)),
    "turned.jpg": (jpeg(PIXELS, exif=exif(6)), "JPEG", (70, 90)),
    "moving.gif": (animated("GIF", frames=3), "GIF", (24, 24)),
    "wrong-suffix.jpg": (png(PIXELS[::-1]), "PNG", (90, 70)),
    "large.jpg": (jpeg(photo_like(1500, 1200)), "JPEG", (1500, 1200)),
}


def test_images_of_every_kind_come_in_with_their_upright_size(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    for name, (data, _, _) in KINDS.items():
        put(source, f"Happy/{name}", data)
    bring_in(source, to=tmp_path / "pets")
    rows = {row.path: row for row in read_index(tmp_path / "pets")}
    for name, (_, file_format, size) in KINDS.items():
        row = rows[f"photos/Happy/{name}"]
        assert (row.format, (row.width, row.height), row.label) == (file_format, size, "happy")


def test_a_table_with_everything_wrong_gives_one_report_and_skipping_goes_on(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    lines = [f"{label}/{k}.png,{label}" for label in DEFAULT_CLASSES for k in range(4)]
    lines += ["gone.png,sad", "sad/0.png,sad", "sad/1.png,happy", "happy/2.png,", "happy/empty.png,happy"]
    put(source, "happy/empty.png", b"")
    put(source, "labels.csv", ("\ufeffphoto,label\r\n" + "\r\n".join(lines) + "\r\n").encode())
    expected = {
        "gone.png": "missing_file",
        "sad/0.png": "duplicate_line",
        "sad/1.png": "two_labels",
        "happy/2.png": "no_class",
        "happy/empty.png": "empty_file",
    }
    with pytest.raises(DataError) as caught:
        import_photos(
            open_source("csv", source / "labels.csv"), to=tmp_path / "pets", find_near_duplicates=mirror_finder
        )
    assert caught.value.exit_code == 2
    assert all(f"{name}:" in str(caught.value) and code in str(caught.value) for name, code in expected.items())
    assert {p.path: p.code for p in read_problems(tmp_path / "pets.problems.csv")} == expected
    import_photos(
        open_source("csv", source / "labels.csv"),
        to=tmp_path / "pets",
        options=ImportOptions(skip_bad=True),
        find_near_duplicates=mirror_finder,
    )
    assert {p.path: p.code for p in read_problems(tmp_path / "pets" / REJECTED_NAME)} == expected
    assert len(read_index(tmp_path / "pets")) == 15


def test_class_order_on_disk_changes_nothing(tmp_path: Path) -> None:
    one = tree(tmp_path / "one/in")
    for label in reversed(DEFAULT_CLASSES):
        for k in reversed(range(4)):
            put(tmp_path / "two/in", f"{label}/{k}.png", (one / label / f"{k}.png").read_bytes())
    for name in ("one", "two"):
        bring_in(tmp_path / name / "in", to=tmp_path / name / "pets")
    assert contents(tmp_path / "one/pets") == contents(tmp_path / "two/pets")


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_with_too_few_photos_is_refused_with_its_name_and_count(tmp_path: Path, count: int) -> None:
    source = tree(tmp_path / "in")
    for k in range(count, 4):
        (source / f"sad/{k}.png").unlink()
    with pytest.raises(DataError, match=f"at least 3 independent photos of each class: class 'sad' has {count}"):
        bring_in(source, to=tmp_path / "pets")


def test_a_class_missing_in_validation_is_refused(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", each=1, splits=("train", "valid", "test"))
    (source / "valid/other/0.png").unlink()
    with pytest.raises(DataError, match="class 'other' has 0 photos in valid"):
        bring_in(source, to=tmp_path / "pets")


def changed(pixels: NDArray[np.uint8]) -> dict[str, bytes]:
    photo = Image.fromarray(pixels)
    width, height = photo.size
    return {
        "resized": jpeg(np.asarray(photo.resize((width * 3 // 5, height * 3 // 5)))),
        "re-encoded": jpeg(pixels, quality=45),
        "flipped": jpeg(np.ascontiguousarray(pixels[:, ::-1])),
        "cropped": jpeg(pixels[height // 20 :, : -width // 20]),
    }


def test_planted_near_duplicates_across_splits_are_grouped_by_the_real_finder(tmp_path: Path) -> None:
    splits = ("train", "valid", "test")
    seed = 0
    for split in splits:
        for label in DEFAULT_CLASSES:
            put(tmp_path / "in", f"{split}/{label}/a.jpg", jpeg(photo_like(224, 200, seed=seed)))
            seed += 1
    for name, data in changed(photo_like(224, 200, seed=4)).items():  # the angry photo of valid
        put(tmp_path / "in", f"train/angry/{name}.jpg", data)
    source = open_source("folder", tmp_path / "in")
    with pytest.raises(DataError, match="1 group has photos in two splits") as caught:
        import_photos(source, to=tmp_path / "pets")
    assert all(f"train/angry/{name}.jpg" in str(caught.value) for name in changed(photo_like(224, 200, seed=4)))
    report = import_photos(source, to=tmp_path / "pets", options=ImportOptions(drop_leaking=True))
    assert len(report.dropped_as_leaking) == 4
    assert not validate_dataset(tmp_path / "pets").has_blocking_issues
    check_no_group_leaks(report.index)

"""Tests of what is read from a bundle before it is compared."""

import hashlib
import re
from pathlib import Path

import pytest

from petmood.core.bundle import DATA_NAME, DUPLICATES_NAME, read, write
from petmood.core.errors import BundleError
from petmood.data.duplicates.feature_cache import features_of
from petmood.data.duplicates.feature_store import pack_features
from petmood.data.index import Split, index_text, read_index
from petmood.promotion.loaded_bundle import load_for_comparison
from tests.support.networks import tiny_bundle
from tests.support.small_sets import write_small_set


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("loaded") / "bundle").folder


def with_data(plain: Path, to: Path, data: Path, *, features: bytes | None = None) -> Path:
    """Copy a bundle with the index of a data set, and with features."""
    manifest, index = read(plain), read_index(data)
    kept = {name: (plain / name).read_bytes() for name in manifest.files}
    further = {DATA_NAME: index_text(index.rows).encode()}
    further |= {DUPLICATES_NAME: features} if features is not None else {}
    return write(to, manifest.model_copy(update={"data_hash": index.hash}), {**kept, **further}).folder


def test_a_bundle_without_an_index_can_be_opened_and_is_known_to_lack_it(plain: Path) -> None:
    opened = load_for_comparison(plain)
    assert (opened.learned, opened.features) == (None, None)
    assert opened.bundle.folder == plain
    assert opened.title == f"demo {read(plain).version}"


def test_the_features_of_the_photos_are_read_back(plain: Path, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=2, test=2)
    index = read_index(data)
    found = features_of(data, index, [row for row in index if row.split != Split.TEST])
    folder = with_data(plain, tmp_path / "made", data, features=pack_features(found))
    opened = load_for_comparison(folder)
    assert opened.learned == index
    assert opened.features is not None
    assert {name: one.digest for name, one in opened.features.items()} == {n: one.digest for n, one in found.items()}


def test_a_bundle_of_before_is_opened_without_features(plain: Path, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=2, test=2)
    opened = load_for_comparison(with_data(plain, tmp_path / "made", data))
    assert opened.learned is not None
    assert opened.features is None


@pytest.mark.parametrize("damage", ["cut", "surplus"])
def test_damaged_features_are_one_line(plain: Path, tmp_path: Path, damage: str) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=2, test=2)
    index = read_index(data)
    found = features_of(data, index, index.rows)
    surplus = {**found, "f" * 64: next(iter(found.values()))}
    content = pack_features(found)[:-200] if damage == "cut" else pack_features(surplus)
    folder = with_data(plain, tmp_path / "made", data, features=content)
    said = DUPLICATES_NAME.replace(".", r"\.") + (" is damaged: " if damage == "cut" else ": expected ")
    with pytest.raises(BundleError, match=f"{said}.* Export the run again"):
        load_for_comparison(folder)


def test_a_bundle_whose_card_is_no_text_is_one_line(plain: Path, tmp_path: Path) -> None:
    manifest = read(plain)
    files = {name: (plain / name).read_bytes() for name in manifest.files}
    folder = write(tmp_path / "odd", manifest, {**files, "card.md": b"\xff\xfe"}).folder
    said = (
        f"{folder} can't be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte. "
        "Copy or export the bundle again."
    )
    with pytest.raises(BundleError, match=f"^{re.escape(said)}$"):
        load_for_comparison(folder)


def test_an_index_that_is_none_or_another_one_is_one_line(plain: Path, tmp_path: Path) -> None:
    manifest = read(plain)
    files = {name: (plain / name).read_bytes() for name in manifest.files}
    none = b"\xff"
    named = manifest.model_copy(update={"data_hash": hashlib.sha256(none).hexdigest()})
    folder = write(tmp_path / "none", named, {**files, DATA_NAME: none}).folder
    said = (
        f"{folder}: data.csv can't be read. 'data.csv' isn't an index: expected UTF-8 CSV. Import the photos again. "
        "Export the run again."
    )
    with pytest.raises(BundleError, match=f"^{re.escape(said)}$"):
        load_for_comparison(folder)
    other = index_text(read_index(write_small_set(tmp_path / "data", train=1, valid=1, test=1)).rows)
    folder = write(tmp_path / "other", manifest, {**files, DATA_NAME: other.encode()}).folder
    said = f"{folder}: data.csv is not the index that the manifest names. Export the run again."
    with pytest.raises(BundleError, match=f"^{re.escape(said)}$"):
        load_for_comparison(folder)

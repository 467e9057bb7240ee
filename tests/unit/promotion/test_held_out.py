"""Tests of the selection of held-out photos unseen by both bundles: by bytes, by groups and by content."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.data.duplicates.feature_store import compact
from petmood.data.duplicates.near_duplicates import PhotoFeatures, describe_photo
from petmood.data.index import DataIndex, IndexRow, Role, Split, data_hash
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion.held_out import HeldOutSelection, hash_test_set
from petmood.promotion.held_out import choose_held_out as choose
from petmood.promotion.loaded_bundle import LoadedBundle
from petmood.promotion.records import HeldOut
from tests.support.evaluation import MakeRows
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle


def nothing(rows: Sequence[IndexRow]) -> Mapping[str, PhotoFeatures]:
    """Stand for features of photos where no bundle has any."""
    raise AssertionError(f"{len(rows)} photos were read without need")


def choose_held_out(index: DataIndex, bundles: Sequence[LoadedBundle]) -> HeldOutSelection:
    return choose(index, bundles, describe=nothing)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> BundlePredictor:
    return load_bundle(tiny_bundle(tmp_path_factory.getbasetemp() / "held-out-bundle").folder)


@pytest.fixture
def index(make_rows: MakeRows) -> DataIndex:
    """Return 60 groups of an original and a near-duplicate: 20 per split."""
    rows = make_rows(60, copies=1, splits=("train", "valid", "test"))
    return DataIndex(tuple(replace(row, sha256=f"{number:064x}") for number, row in enumerate(rows)))


def opened(predictor: BundlePredictor, *, learned: Sequence[IndexRow] | None, named: str = "") -> LoadedBundle:
    """Return a bundle that was trained on these rows, or one without an index."""
    hashed = named or (data_hash(learned) if learned is not None else "0" * 64)
    manifest = predictor.bundle.manifest.model_copy(update={"data_hash": hashed})
    bundle = replace(predictor.bundle, manifest=manifest)
    return LoadedBundle(replace(predictor, bundle=bundle), DataIndex(tuple(learned)) if learned is not None else None)


def groups_of(chosen: HeldOutSelection) -> set[str]:
    return {row.group_id for row in chosen.rows}


def test_a_test_set_is_known_by_its_photos_whatever_else_the_data_version_holds(
    index: DataIndex, predictor: BundlePredictor
) -> None:
    one = choose_held_out(index, [opened(predictor, learned=None, named=index.hash)]).held_out
    less = DataIndex(tuple(row for row in index if row.split == Split.TEST or row.group_id != index.rows[0].group_id))
    other = DataIndex(tuple(row for row in index if row != next(row for row in index if row.split == Split.TEST)))
    assert less.hash != index.hash
    assert one.test_set == hash_test_set(index) == hash_test_set(less) != hash_test_set(other)
    assert hash_test_set(DataIndex(tuple(reversed(index.rows)))) == one.test_set


def test_the_hash_of_a_test_set_is_that_of_its_sorted_photos(make_rows: MakeRows) -> None:
    """Only originals count, of the test split if there is one, else of the validation split."""
    parts = ((Split.VALID, Role.ORIGINAL), (Split.VALID, Role.ORIGINAL), (Split.VALID, Role.NEAR_DUPLICATE))
    rows = [
        replace(row, sha256=letter * 64, split=split, role=role)
        for row, letter, (split, role) in zip(make_rows(3), "cab", parts, strict=True)
    ]
    assert hash_test_set(DataIndex(tuple(rows))) == hashlib.sha256(f"{'a' * 64}\n{'c' * 64}".encode()).hexdigest()
    copy = replace(rows[2], split=Split.TEST)
    assert hash_test_set(DataIndex((*rows[:2], copy))) == hash_test_set(DataIndex(tuple(rows))), "no original of it"
    test = replace(rows[2], split=Split.TEST, role=Role.ORIGINAL)
    assert hash_test_set(DataIndex((*rows[:2], test))) == hashlib.sha256(b"b" * 64).hexdigest()


def test_the_originals_of_the_test_split_are_evaluated_on(index: DataIndex, predictor: BundlePredictor) -> None:
    chosen = choose_held_out(index, [opened(predictor, learned=None, named=index.hash)])
    assert {(row.split, row.role) for row in chosen.rows} == {("test", "original")}
    assert (chosen.held_out.photos, chosen.held_out.groups, chosen.held_out.excluded) == (20, 20, 0)
    held_out = chosen.held_out
    assert list(held_out.classes.items()) == [("angry", 5), ("happy", 5), ("other", 5), ("sad", 5)]
    assert held_out == HeldOut(
        index.hash,
        "test",
        held_out.classes,
        20,
        0,
        excluded_by_content=0,
        by_bytes_only=(),
        test_set=hash_test_set(index),
    )
    assert chosen.notes == (), "the split itself keeps what was learned apart"


def test_without_a_test_split_validation_photos_are_evaluated_on_and_that_is_said(
    make_rows: MakeRows, predictor: BundlePredictor
) -> None:
    rows = make_rows(40, splits=("train", "valid"))
    index = DataIndex(tuple(replace(row, sha256=f"{number:064x}") for number, row in enumerate(rows)))
    chosen = choose_held_out(index, [opened(predictor, learned=None, named=index.hash)])
    assert (chosen.held_out.split, chosen.held_out.photos) == ("valid", 20)
    assert chosen.notes == ("There is no test split: scores on validation photos are optimistic.",)
    older = opened(predictor, learned=[row for row in rows if row.split == "valid"], named="1" * 64)
    assert choose_held_out(index, [older]).held_out.photos == 20


def test_a_bundle_that_does_not_say_what_it_learned_from_is_named(index: DataIndex, predictor: BundlePredictor) -> None:
    chosen = choose_held_out(index, [opened(predictor, learned=None)] * 2)
    said = f"The training photos of demo {predictor.bundle.manifest.version} are unknown: it has no data.csv."
    assert chosen.notes == (said, said)
    assert chosen.held_out.photos == 20


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALID])
@pytest.mark.parametrize("who", [0, 1])
def test_photos_that_either_bundle_learned_from_or_was_chosen_by_are_left_out(
    index: DataIndex, predictor: BundlePredictor, who: int, split: Split
) -> None:
    test = [row for row in index if row.split == "test" and row.role == "original"]
    bundles = [opened(predictor, learned=[replace(row, split=Split.TEST) for row in test[:2]])] * 2
    bundles[who] = opened(predictor, learned=[replace(test[0], split=split), replace(test[1], split=Split.TEST)])
    chosen = choose_held_out(index, bundles)
    assert groups_of(chosen) == {row.group_id for row in test[1:]}
    assert chosen.held_out.excluded == 1


def test_a_copy_that_was_learned_from_bars_its_original(index: DataIndex, predictor: BundlePredictor) -> None:
    copy = next(row for row in index if row.split == "test" and row.role == "near_duplicate")
    chosen = choose_held_out(index, [opened(predictor, learned=[replace(copy, split=Split.TRAIN, group_id="x")])])
    assert copy.group_id not in groups_of(chosen)
    assert chosen.held_out.photos == 19


def test_a_relative_by_the_bundles_own_index_bars_a_photo_too(index: DataIndex, predictor: BundlePredictor) -> None:
    """The current index lacks the training photo of the same animal; the bundle's own index has it."""
    photo = next(row for row in index if row.split == "test" and row.role == "original")
    gone = replace(photo, path="photos/gone.png", sha256="f" * 64, split=Split.TRAIN, group_id="rex")
    dropped = replace(photo, split=Split.TRAIN, group_id="rex", role=Role.EXCLUDED)
    assert photo.group_id not in groups_of(choose_held_out(index, [opened(predictor, learned=[gone, dropped])]))


def test_photos_that_were_dropped_before_training_were_not_learned_from(
    index: DataIndex, predictor: BundlePredictor
) -> None:
    learned = [replace(row, split=Split.TRAIN, role=Role.EXCLUDED) for row in index if row.split == "test"]
    assert choose_held_out(index, [opened(predictor, learned=learned)]).held_out.photos == 20


def test_nothing_left_is_counted_as_nothing(index: DataIndex, predictor: BundlePredictor) -> None:
    chosen = choose_held_out(index, [opened(predictor, learned=[replace(row, split=Split.TRAIN) for row in index])])
    assert (chosen.rows, chosen.held_out.photos, chosen.held_out.excluded) == ((), 0, 20)


def encoded_again(pixels: NDArray[np.uint8], *, side_px: int = 96) -> NDArray[np.uint8]:
    """Return a photo as another data set may hold it: reduced, and with JPEG's losses."""
    small = Image.fromarray(pixels).resize((side_px, side_px))
    with Image.open(io.BytesIO(jpeg(small, quality=88))) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    """Return 26 unrelated photos."""
    return [photo_like(128, 128, seed=100 + number) for number in range(26)]


def scene(
    index: DataIndex,
    predictor: BundlePredictor,
    photos: Sequence[NDArray[np.uint8]],
    *,
    split: Split,
    stored: bool = True,
) -> tuple[LoadedBundle, dict[str, PhotoFeatures]]:
    """Return a bundle that saw six of the index's 20 test photos, encoded again, and the features of the index.

    The copies have other bytes and other groups than the photos of the index.
    """
    test = [row for row in index if row.split == "test"]
    of_group = {group: number for number, group in enumerate(dict.fromkeys(row.group_id for row in test))}
    features = {row.sha256: compact(describe_photo(photos[of_group[row.group_id]])) for row in test}
    seen = [photos[number] for number in range(6)]
    names = [f"{10_000 + number:064x}" for number in range(6)]
    learned = [
        replace(test[0], path=f"photos/seen-{number}.jpg", sha256=name, split=split, group_id=f"seen-{number}")
        for number, name in enumerate(names)
    ]
    found = {name: compact(describe_photo(encoded_again(pixels))) for name, pixels in zip(names, seen, strict=True)}
    bundle = opened(predictor, learned=learned)
    return replace(bundle, features=found if stored else None), features


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALID])
@pytest.mark.parametrize("who", [0, 1])
def test_photos_that_a_bundle_saw_in_another_encoding_are_left_out_with_their_groups(
    index: DataIndex, predictor: BundlePredictor, photos: list[NDArray[np.uint8]], split: Split, who: int
) -> None:
    bundle, features = scene(index, predictor, photos, split=split)
    bundles = [opened(predictor, learned=None, named=index.hash)] * 2
    bundles[who] = bundle
    chosen = choose(index, bundles, describe=lambda rows: {row.sha256: features[row.sha256] for row in rows})
    held_out = chosen.held_out
    assert (held_out.photos, held_out.groups, held_out.excluded) == (14, 14, 6)
    assert (held_out.excluded_by_bytes, held_out.excluded_by_content) == (0, 6)
    groups = sorted({row.group_id for row in index if row.split == "test"})
    assert groups_of(chosen) == set(groups[6:])
    assert held_out.by_bytes_only == ()


def test_photos_in_the_other_bundles_test_split_were_not_seen(
    index: DataIndex, predictor: BundlePredictor, photos: list[NDArray[np.uint8]]
) -> None:
    bundle, features = scene(index, predictor, photos, split=Split.TEST)
    assert choose(index, [bundle], describe=lambda _: features).held_out.photos == 20


def test_bytes_and_content_are_counted_apart(
    index: DataIndex, predictor: BundlePredictor, photos: list[NDArray[np.uint8]]
) -> None:
    bundle, features = scene(index, predictor, photos, split=Split.TRAIN)
    same = [row for row in index if row.split == "test"][-1]
    assert bundle.learned is not None
    learned = [*bundle.learned, replace(same, split=Split.TRAIN)]
    both = replace(opened(predictor, learned=learned), features=bundle.features)
    held_out = choose(index, [both], describe=lambda _: features).held_out
    assert (held_out.excluded, held_out.excluded_by_bytes, held_out.excluded_by_content) == (7, 1, 6)
    assert held_out.excluded_text() == "7 left out (1 by bytes, 6 by content)"
    assert held_out.to_json()["excluded_by_bytes"] == 1


def test_a_bundle_without_features_is_matched_by_bytes_only_and_that_is_said(
    index: DataIndex, predictor: BundlePredictor, photos: list[NDArray[np.uint8]]
) -> None:
    bundle, _ = scene(index, predictor, photos, split=Split.TRAIN, stored=False)
    held_out = choose_held_out(index, [bundle, bundle]).held_out
    assert (held_out.photos, held_out.excluded) == (20, 0)
    assert held_out.by_bytes_only == (f"demo {predictor.bundle.manifest.version}",)
    assert choose_held_out(index, [opened(predictor, learned=None, named=index.hash)]).held_out.matching_text() == ""


Item = TypeVar("Item")


def alike(
    predictor: BundlePredictor,
    make_rows: MakeRows,
    photos: Sequence[NDArray[np.uint8]],
    *,
    shown: Sequence[int],
    seen: Sequence[int],
) -> tuple[DataIndex, LoadedBundle, dict[str, PhotoFeatures]]:
    """Return an index of test photos that show what is told, one in each group, and a bundle that saw others of it."""
    rows = [
        replace(row, sha256=f"{number:064x}", group_id=f"g{number}")
        for number, row in enumerate(make_rows(len(shown), splits=("test",)))
    ]
    names = [f"{10_000 + number:064x}" for number in range(len(seen))]
    learned = [
        replace(rows[0], path=f"photos/seen-{name}.jpg", sha256=name, split=Split.TRAIN, group_id=f"seen-{name}")
        for name in names
    ]
    features = {row.sha256: compact(describe_photo(photos[what])) for row, what in zip(rows, shown, strict=True)}
    known = {
        name: compact(describe_photo(encoded_again(photos[what], side_px=96 + number)))
        for number, (name, what) in enumerate(zip(names, seen, strict=True))
    }
    return DataIndex(tuple(rows)), replace(opened(predictor, learned=learned), features=known), features


@pytest.mark.parametrize(
    ("shown", "seen", "left_out"),
    [
        pytest.param((0, 1, 2), (0,), {"g0"}, id="the first"),
        pytest.param((0, 1, 2), (2,), {"g2"}, id="the last"),
        pytest.param((0, 0, 1, 2), (1,), {"g2"}, id="two photos of the index that are alike"),
        pytest.param((0, 1, 2), (1, 1), {"g1"}, id="two seen photos that are alike"),
        pytest.param((0, 1, 2), (3, 3), set(), id="none"),
    ],
)
def test_a_photo_is_left_out_if_it_is_like_a_seen_one_and_not_if_it_is_like_another_of_its_index(
    predictor: BundlePredictor,
    make_rows: MakeRows,
    photos: list[NDArray[np.uint8]],
    shown: tuple[int, ...],
    seen: tuple[int, ...],
    left_out: set[str],
) -> None:
    index, bundle, features = alike(predictor, make_rows, photos, shown=shown, seen=seen)
    chosen = choose(index, [bundle], describe=lambda _: features)
    assert {row.group_id for row in index} - groups_of(chosen) == left_out
    assert chosen.held_out.excluded_by_content == chosen.held_out.excluded == len(left_out)


def test_only_photos_in_use_of_the_groups_that_are_left_are_described(
    index: DataIndex, predictor: BundlePredictor, photos: list[NDArray[np.uint8]]
) -> None:
    """Not those of a group that is left out by bytes, excluded ones, or ones of another split."""
    bundle, features = scene(index, predictor, photos, split=Split.TRAIN)
    test = [row for row in index if row.split == "test"]
    assert bundle.learned is not None
    learned = [*bundle.learned, replace(test[-1], split=Split.TRAIN)]
    changes: dict[str, dict[str, Any]] = {test[1].path: {"role": Role.EXCLUDED}, test[3].path: {"split": Split.TRAIN}}
    changed = DataIndex(tuple(replace(row, **changes.get(row.path, {})) for row in index))
    described: list[str] = []
    told: list[str] = []

    def describe(rows: Sequence[IndexRow]) -> Mapping[str, PhotoFeatures]:
        described.extend(row.path for row in rows)
        return features

    def progress(items: Iterable[Item], *, total: int | None = None, what: str = "") -> Iterator[Item]:  # noqa: ARG001 - the protocol names them
        told.append(what)
        yield from items

    both = replace(opened(predictor, learned=learned), features=bundle.features)
    choose(changed, [both], describe=describe, progress=progress)
    assert described == [test[0].path, test[2].path, *(row.path for row in test[4:-2])]
    assert told == ["searching candidate pairs", "comparing pairs of photos"]

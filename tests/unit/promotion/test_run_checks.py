"""Tests of the promotion run: held-out photos unseen by both bundles, and early refusal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.bundle import write
from petmood.core.errors import BundleError, DataError
from petmood.data.index import DataIndex, IndexRow, Role, Split, data_hash, read_index, write_index
from petmood.inference.load import BundlePredictor, load_bundle
from petmood.promotion.checks import PromotionLimits
from petmood.promotion.run_checks import (
    HeldOutSelection,
    LoadedBundle,
    choose_held_out,
    load_for_comparison,
    run_promotion_checks,
)
from tests.support.evaluation import MakeRows
from tests.support.latency import equal_latencies
from tests.support.networks import tiny_bundle
from tests.support.small_sets import write_small_set

MakeIndex = Callable[..., DataIndex]


@pytest.fixture(autouse=True)
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model answer in the same time."""
    equal_latencies(monkeypatch)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> BundlePredictor:
    return load_bundle(tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder)


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


def test_the_originals_of_the_test_split_are_evaluated_on(index: DataIndex, predictor: BundlePredictor) -> None:
    chosen = choose_held_out(index, [opened(predictor, learned=None, named=index.hash)])
    assert {(row.split, row.role) for row in chosen.rows} == {("test", "original")}
    assert (chosen.held_out.photos, chosen.held_out.groups, chosen.held_out.excluded) == (20, 20, 0)
    assert chosen.held_out.classes == {"angry": 5, "happy": 5, "other": 5, "sad": 5}
    assert chosen.held_out.data_hash == index.hash
    assert chosen.notes == (), "the split itself keeps what was learned apart"


def test_without_a_test_split_validation_photos_are_evaluated_on_and_that_is_said(
    make_rows: MakeRows, predictor: BundlePredictor
) -> None:
    rows = make_rows(40, splits=("train", "valid"))
    index = DataIndex(tuple(replace(row, sha256=f"{number:064x}") for number, row in enumerate(rows)))
    chosen = choose_held_out(index, [opened(predictor, learned=None, named=index.hash)])
    assert (chosen.held_out.split, chosen.held_out.photos) == ("valid", 20)
    assert "no test split" in chosen.notes[0]
    older = opened(predictor, learned=[row for row in rows if row.split == "valid"], named="1" * 64)
    assert choose_held_out(index, [older]).held_out.photos == 20


def test_a_bundle_that_does_not_say_what_it_learned_from_is_named(index: DataIndex, predictor: BundlePredictor) -> None:
    chosen = choose_held_out(index, [opened(predictor, learned=None)] * 2)
    assert len(chosen.notes) == 2
    assert "The training photos of demo" in chosen.notes[0]
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


def test_a_folder_that_is_no_bundle_is_refused_as_a_candidate_and_an_error_as_a_champion(
    predictor: BundlePredictor, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    report = run_promotion_checks(
        tmp_path / "empty", predictor.bundle.folder, data=tmp_path / "never-read", created="now"
    )
    assert [check.name for check in report.checks] == ["integrity"]
    assert "manifest.json is missing" in report.failed[0]
    assert (report.candidate.name, report.candidate.sha256, report.created) == ("empty", "", "now")
    assert report.champion is not None
    assert report.champion.sha256 == predictor.bundle.sha256
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        run_promotion_checks(predictor.bundle.folder, tmp_path / "empty", data=tmp_path)


def test_a_candidate_whose_card_is_no_text_is_refused_in_a_line(predictor: BundlePredictor, tmp_path: Path) -> None:
    files = {name: (predictor.bundle.folder / name).read_bytes() for name in predictor.bundle.manifest.files}
    write(tmp_path / "odd", predictor.bundle.manifest, {**files, "card.md": b"\xff\xfe"})
    (line,) = run_promotion_checks(tmp_path / "odd", None, data=tmp_path).failed
    assert line.startswith("integrity: ")
    assert "can't be read: 'utf-8' codec" in line


def test_a_bundle_without_an_index_can_be_opened_and_is_known_to_lack_it(predictor: BundlePredictor) -> None:
    assert load_for_comparison(predictor.bundle.folder).learned is None


def test_too_few_photos_groups_or_classes_are_no_proof(predictor: BundlePredictor, tmp_path: Path) -> None:
    sets = {
        "photos": write_small_set(tmp_path / "photos", train=4, valid=4, test=16),
        "classes": write_small_set(tmp_path / "classes", train=4, valid=4, test=24, classes=("sad",)),
        "groups": write_small_set(tmp_path / "groups", train=4, valid=4, test=24),
    }
    rows = [replace(row, group_id=f"f{int(row.path[-7:-4]) // 4}{row.split}") for row in read_index(sets["groups"])]
    write_index(sets["groups"], rows)
    for what, said in (("photos", "16 photos of 4 classes"), ("classes", "of 1 classes"), ("groups", "in 6 groups")):
        report = run_promotion_checks(predictor.bundle.folder, None, data=sets[what])
        assert [(check.name, check.passed) for check in report.checks] == [
            *(("integrity", True), ("same_classes", True), ("held_out", False))
        ], what
        assert said in report.failed[0]
    limits = PromotionLimits(min_photos=10)
    assert len(run_promotion_checks(predictor.bundle.folder, None, data=sets["photos"], limits=limits).checks) == 7


def test_data_whose_groups_leak_evaluate_no_model(predictor: BundlePredictor, tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "data", train=4, valid=4, test=24)
    write_index(data, [replace(row, group_id="one") for row in read_index(data)])
    with pytest.raises(DataError, match="has photos in two splits"):
        run_promotion_checks(predictor.bundle.folder, None, data=data)

"""Photos of a run: those of the splits that are asked for, and the validation photos that choose among models."""

from pathlib import Path

import numpy as np

from petmood.configs.load import compose
from petmood.data.index import Split
from petmood.pipelines.run_folder import RunMetadata
from petmood.pipelines.training_sets import choosing_photos, open_splits
from petmood.training.dataset import open_index
from tests.support.small_sets import SMALL, write_small_set


def test_the_splits_are_those_asked_for_and_copies_are_trained_on_if_wanted(tmp_path: Path) -> None:
    data = write_small_set(tmp_path, train=8, valid=6, test=4, copies=2, evaluation_copies=2)
    index = open_index(data)
    config = compose([*SMALL, f"data={data}"])
    sets = open_splits(config, data, index, {Split.TRAIN, Split.VALID}, classes=index.classes)
    assert {split: len(one.rows) for split, one in sets.items()} == {Split.TRAIN: 8, Split.VALID: 6}
    assert sets[Split.TRAIN].cache.pixels.shape == (8, 24, 24, 3)
    with_copies = compose([*SMALL, f"data={data}", "data.include_copies=true"])
    found = open_splits(with_copies, data, index, {Split.TRAIN, Split.TEST}, classes=index.classes)
    assert {split: len(one.rows) for split, one in found.items()} == {Split.TRAIN: 10, Split.TEST: 4}


def test_a_part_of_the_validation_photos_chooses_if_there_is_a_choice(tmp_path: Path) -> None:
    data = write_small_set(tmp_path, train=8, valid=16, test=0)
    index = open_index(data)
    config = compose([*SMALL, f"data={data}", "evaluation.calibration_share=0.5"])
    valid = open_splits(config, data, index, {Split.VALID}, classes=index.classes)[Split.VALID]
    facts = RunMetadata(
        name="run",
        status="training",
        data_path=str(data),
        data_hash=index.hash,
        code_version="1",
        packages={},
        backbone="tiny",
        classes=index.classes,
        image=config.model.image_spec(),
        photos={},
        created="",
        chosen_on=8,
    )
    chosen = choosing_photos(valid, facts, config)
    assert 0 < len(chosen.rows) < len(valid.rows)
    assert set(chosen.rows) < set(valid.rows)
    everything = choosing_photos(valid, facts.model_copy(update={"chosen_on": 0}), config)
    assert everything.rows == valid.rows
    assert np.array_equal(everything.labels, valid.labels)

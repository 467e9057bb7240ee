"""Transfer learning from species to classes, at equal budget and without internet access."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.load import compose
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split, write_index
from petmood.data.synthetic.animal_faces import SPECIES, draw_face
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from tests.support.images import jpeg

SEEDS = (0, 1, 2)
SIDE_PX = 64


def write_faces(folder: Path, counts: dict[str, int], *, task: str, seed: int) -> Path:
    """Draw faces whose label is their class, or (by place in the list) one of four species."""
    rng, rows = np.random.default_rng(seed), []
    for split, count in counts.items():
        for number in range(count):
            label, species = DEFAULT_CLASSES[number % 4], SPECIES[int(rng.integers(4))]
            if task == "species":
                label, species = DEFAULT_CLASSES[int(rng.integers(4))], SPECIES[number % 4]
            data = jpeg(draw_face(label, species, rng=rng, side_px=SIDE_PX + 16), quality=90)
            path = f"photos/{split}-{number:04d}.jpg"
            (folder / "photos").mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
            label = label if task == "label" else DEFAULT_CLASSES[SPECIES.index(species)]
            digest = hashlib.sha256(data).hexdigest()
            side = SIDE_PX + 16
            rows.append(IndexRow(path, digest, label, Split(split), path, Role.ORIGINAL, side, side, "JPEG", species))
    write_index(folder, rows)
    return folder


def accuracy(run: RunFolder) -> float:
    """Return the share of test photos that a run answers right."""
    scored = Predictions.load(run.predictions(Split.TEST))
    return float((scored.predicted() == scored.labels).mean())


@pytest.mark.proof
def test_weights_that_know_species_learn_classes_better_than_weights_that_know_nothing(tmp_path: Path) -> None:
    """Equal photos, epochs, batches, rates, augmentation and seeds; only the first weights and the recipe differ."""
    species = write_faces(tmp_path / "species", {"train": 900, "valid": 80, "test": 80}, task="species", seed=1)
    classes = write_faces(tmp_path / "classes", {"train": 100, "valid": 80, "test": 240}, task="label", seed=2)
    network = ("model=tiny", f"model.image_size={SIDE_PX}", "augment=light", "trainer.batch_size=16")
    common = (*network, "optimizer=adamw_fast", "tracker=none", f"run.folder={tmp_path}/runs")
    first = train(compose([*common, "recipe=scratch", f"data={species}", "epochs=12", "name=species"]))
    assert accuracy(first) > 0.6, "the first task has to be learned for anything to be carried over"
    finetune = (
        "recipe=finetune",
        "recipe.freeze_epochs=1",
        "recipe.backbone_lr_multiplier=1.0",
        "recipe.layer_decay=0.9",
    )
    gains = []
    for seed in SEEDS:
        wanted = (*common, f"data={classes}", "epochs=10", f"seed={seed}")
        carried = train(compose([*wanted, *finetune, f"weights={first.weights}", f"name=carried-{seed}"]))
        nothing = train(compose([*wanted, "recipe=scratch", f"name=nothing-{seed}"]))
        gains.append(accuracy(carried) - accuracy(nothing))
    sys.stderr.write(f"accuracy gained by transfer, seed by seed: {[round(gain, 3) for gain in gains]}\n")
    assert np.mean(gains) > 0.05

"""Duration of a linear probe against one training epoch. Target: 0.25x, features and head together.

1,000 photos, mobilenet_v3_small at 224 px; the L2 strength of the head is selected among four on 200 further photos.
The epoch is that of the benchmark `epoch`, without augmentation.
"""

from typing import Final

import torch

from benchmarks.common import best_of, report
from petmood.pipelines.fit_settings import fit_settings
from petmood.training.fit import fit_network
from tests.support.photo_sets import BATCH, learning_set, photo_set_of, settings

__all__ = ["main"]

PHOTOS: Final = 1_000
CHOSEN_ON: Final = 200
ROUNDS: Final = 2
TARGET: Final = 0.25


def main() -> None:
    """Measure and report."""
    with learning_set(PHOTOS + CHOSEN_ON) as folder:
        probe = settings(folder, "recipe=linear_probe")
        epoch = settings(folder, "recipe=scratch", "augment=none")
        photo_set = photo_set_of(folder, probe)
        train, valid = photo_set.take(range(PHOTOS)), photo_set.take(range(PHOTOS, PHOTOS + CHOSEN_ON))
        found = best_of(
            ROUNDS,
            probe=lambda: fit_network(fit_settings(probe), train, valid),
            features=lambda: fit_network(
                fit_settings(settings(folder, "recipe=linear_probe", "recipe.l2_strengths=[1.0]")), train, None
            ),
            epoch=lambda: fit_network(fit_settings(epoch), train, None),
        )
    report(
        "probe: a linear probe on 1,000 photos against one training epoch",
        ratio=found["probe"] / found["epoch"],
        target=TARGET,
        details={
            "probe_s": round(found["probe"], 2),
            "features_and_one_head_s": round(found["features"], 2),
            "epoch_s": round(found["epoch"], 2),
            "photos": PHOTOS,
            "chosen_on": CHOSEN_ON,
            "batch": BATCH,
            "threads": torch.get_num_threads(),
        },
    )


if __name__ == "__main__":
    main()

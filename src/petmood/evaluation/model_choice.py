"""How a model was chosen by validation photos, and what that means for the guarantees of its calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.data.index import Split
from petmood.presentation.display_names import photos_of_split

__all__ = ["ModelChoice", "without_choice"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelChoice:
    """Choice of a model: number of models tried, and of the validation photos that chose among them (0: no choice).

    `calibrating` are the indices int [C] of the validation photos that calibrate, or of the out-of-fold predictions if
    `out_of_fold` is set. `separate`: no photo did both. Only then the error of confident predictions and the coverage
    of sets are as stated (docs/decisions/abstention.md).
    """

    tried: int
    chosen_on: int
    calibrating: NDArray[np.int64]
    separate: bool
    out_of_fold: bool = False

    @property
    def fitted_on(self) -> str:
        """The photos that calibrate, in words."""
        return photos_of_split("out_of_fold" if self.out_of_fold else Split.VALID, len(self.calibrating))

    @property
    def sentence(self) -> str:
        """The choice and its effect on the guarantees, in words."""
        count = len(self.calibrating)
        if count == 0:
            return "There were no validation photos to calibrate on."
        source = "Temperature, threshold and prediction sets come from"
        if self.out_of_fold:
            chose = f"The {self.chosen_on} validation photos that chose the best of {self.tried} models tried"
            return f"{source} {self.fitted_on}.{f' {chose} are left out.' if self.chosen_on else ''}"
        if self.chosen_on == 0:
            return f"No validation photo chose the model. {source} all {count} of them."
        if self.separate:
            return (
                f"{self.chosen_on} validation photos chose the best of {self.tried} models tried. {source} {count} "
                "others, so the choice does not weaken their guarantees."
            )
        return (
            f"{self.chosen_on} validation photos chose the best of {self.tried} models tried. {source} the same ones, "
            "so their guarantees are weaker than stated. The two are separate with 44 or more validation groups "
            "and evaluation.calibration_share=0.5."
        )

    def to_json(self) -> dict[str, int | bool | str]:
        """Return the counts by name, and the sentence."""
        return {
            "tried": self.tried,
            "chosen_on": self.chosen_on,
            "calibrated_on": len(self.calibrating),
            "separate": self.separate,
            **({"out_of_fold": True} if self.out_of_fold else {}),
            "sentence": self.sentence,
        }


def without_choice(photos: int) -> ModelChoice:
    """Return the record of a model that no validation photo chose, calibrated on all of them."""
    return ModelChoice(tried=1, chosen_on=0, calibrating=np.arange(photos), separate=True)

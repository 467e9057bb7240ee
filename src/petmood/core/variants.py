"""Smaller variants of a bundle's network: their files, what was measured of them, and how their outputs are compared.

A variant is a second network beside ``model.onnx`` with the same input and outputs. Its arithmetic is coarser, so its
golden outputs are its own, and they are compared with a wider tolerance than those of ``model.onnx``.
"""

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from petmood.core.errors import ConfigError

__all__ = [
    "CHOICES",
    "FP32",
    "INT8",
    "VariantChoice",
    "VariantInfo",
    "VariantName",
    "check_choice",
    "largest_deviation",
    "relative_deviation",
]

VariantName = Literal["fp32", "int8"]
VariantChoice = Literal["auto", "fp32", "int8"]

FP32: Final[VariantName] = "fp32"
"""The network ``model.onnx`` itself."""
INT8: Final[VariantName] = "int8"
"""The network ``model.int8.onnx``, whose convolutions are computed in 8-bit integers."""
CHOICES: Final[tuple[VariantChoice, ...]] = ("auto", "fp32", "int8")
"""What a caller may ask for; auto is the fastest variant of the bundle by measurement."""


class VariantInfo(BaseModel):
    """A variant in a bundle's manifest.

    ``tolerance`` is the largest deviation from its golden outputs at loading (see ``relative_deviation``).
    ``accuracy`` is that on the photos of ``split``, ``difference`` the paired difference to ``model.onnx`` on the same
    ``photos`` photos, with its 95% interval from ``low`` to ``high``. The ranges of its
    activations come from ``calibrated_on`` training photos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["int8"]
    tolerance: float = Field(gt=0, lt=1)
    split: str
    photos: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    difference: float = Field(ge=-1, le=1)
    low: float = Field(ge=-1, le=1)
    high: float = Field(ge=-1, le=1)
    calibrated_on: int = Field(ge=1)

    @property
    def network_name(self) -> str:
        """The name of the file with the network."""
        return f"model.{self.name}.onnx"

    @property
    def golden_name(self) -> str:
        """The name of the file with its golden outputs."""
        return f"golden.{self.name}.npz"

    @property
    def files(self) -> tuple[str, str]:
        """The names of its files in the bundle."""
        return self.network_name, self.golden_name


def check_choice(choice: str) -> None:
    """Reject a choice of a variant that is none.

    Raises:
        ConfigError: ``choice`` is not auto, fp32 or int8.
    """
    if choice not in CHOICES:
        raise ConfigError(f"Expected the variant {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, got {choice!r}.")


def relative_deviation(expected: NDArray[np.floating], got: NDArray[np.floating]) -> float:
    """Return how far outputs [N, ...] are from the expected ones, as a share of how much these vary among the photos.

    It is the root of the mean square of the differences, divided by the standard deviation of the expected outputs over
    the photos. It is infinity for other shapes, or values that are not finite. 0 is equality. At 1 the outputs are as
    far from the expected ones as a constant is.
    """
    if expected.shape != got.shape or not (np.isfinite(expected).all() and np.isfinite(got).all()):
        return float("inf")
    wanted, found = expected.astype(np.float64), got.astype(np.float64)
    apart = float(np.sqrt(np.mean((found - wanted) ** 2)))
    spread = float(np.sqrt(np.mean((wanted - wanted.mean(axis=0)) ** 2)))
    if spread == 0:
        return 0.0 if apart == 0 else float("inf")
    return apart / spread


def largest_deviation(
    expected: Mapping[str, NDArray[np.floating]], got: Mapping[str, NDArray[np.floating]]
) -> tuple[str, float]:
    """Return the output with the largest relative deviation, and that deviation."""
    found = {name: relative_deviation(wanted, got[name]) for name, wanted in expected.items()}
    worst = max(found, key=lambda name: found[name])
    return worst, found[worst]

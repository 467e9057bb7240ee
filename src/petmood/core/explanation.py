"""Explanation of a prediction: for each class, which places of the photo raise or lower its logit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petmood.core.image import Box
from petmood.core.prediction import Prediction, prediction_response
from petmood.core.schemas import ExplanationMethod, ExplanationResponse

__all__ = ["Explanation", "explanation_response"]

DECIMALS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A prediction with maps of what it depends on.

    ``maps`` are float32 [H, W] by class, row by row from the top left. The unit is that of a calibrated logit: a
    positive value raises the logit of the class, a negative one lowers it. ``box`` is where the maps lie on the upright
    photo, as shares of its width and height: the part that the network got.

    ``method`` is "hirescam", computed inside the network (``models.class_maps``), or "occlusion" for a network without
    such maps: what the logit loses when a place is covered.
    """

    prediction: Prediction
    method: ExplanationMethod
    maps: Mapping[str, NDArray[np.float32]]
    box: Box

    @classmethod
    def from_response(cls, body: ExplanationResponse) -> "Explanation":
        """Return the explanation in a response body."""
        maps = {label: np.array(rows, dtype=np.float32) for label, rows in body.maps.items()}
        return cls(Prediction.from_response(body.prediction), body.method, maps, Box(*body.box))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable dict with the keys of the service."""
        return explanation_response(self).model_dump(mode="json")

    def __repr__(self) -> str:
        """Return the prediction, the method and the size of the maps."""
        height, width = next(iter(self.maps.values())).shape
        return f"Explanation({self.prediction!r}, method={self.method!r}, {len(self.maps)} maps of {height} x {width})"


def explanation_response(explanation: Explanation, *, request_id: str | None = None) -> ExplanationResponse:
    """Build the response body of an explanation; values have four decimals."""
    return ExplanationResponse(
        prediction=prediction_response(explanation.prediction, request_id=request_id),
        method=explanation.method,
        maps={
            label: np.round(values.astype(np.float64), DECIMALS).tolist() for label, values in explanation.maps.items()
        },
        box=(explanation.box.left, explanation.box.top, explanation.box.right, explanation.box.bottom),
    )

"""Heat maps of a run's wrong predictions, for its report."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.core.image import prepare, seen_box
from petmood.core.photo import decode
from petmood.models.class_maps import ClassMapNetwork, class_map_network
from petmood.pipelines.networks import load_network
from petmood.pipelines.run_folder import RunFolder
from petmood.presentation.heat_map import heat_map

__all__ = ["heat_maps_of"]


def heat_maps_of(run: RunFolder, folder: Path, *, at_least_px: int) -> Callable[[str], NDArray[np.uint8] | None]:
    """Return a function from the path of a photo in ``folder`` to its heat map uint8 [H, W, 3] of the predicted class.

    It returns None if the run's network has no class maps. The network is loaded when it is first called.

    Raises:
        PhotoError, OSError: (the function) the photo can't be read.
        RunError: (the function) the weights are missing.
    """
    image = run.read_metadata().image

    @cache
    def network() -> ClassMapNetwork | None:
        return class_map_network(load_network(run), side_px=image.side_px)

    def draw(path: str) -> NDArray[np.uint8] | None:
        mapping = network()
        if mapping is None:
            return None
        photo = decode(folder / path, at_least_px=max(at_least_px, image.side_px), background=image.background)
        height, width = photo.pixels.shape[:2]
        pixels = torch.from_numpy(prepare(photo.pixels, image).copy())[None].permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits, maps, _ = mapping(pixels)
        values = maps[0, int(logits[0].argmax())].numpy()
        return heat_map(photo.pixels, values, seen_box(image, width=width, height=height))

    return draw

"""Photo of a card, and on request the map of the parts that mattered for its prediction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from petmood.client.client import Client
from petmood.core.errors import PhotoError
from petmood.core.explanation import Explanation
from petmood.core.photo import decode
from petmood.core.prediction import Prediction
from petmood.frontend.predictions import RequestFailure, request_explanation
from petmood.frontend.view import label_word, plain
from petmood.presentation.heat_map import heat_map, map_text

__all__ = ["Photo", "show_photo"]

PREVIEW_PX: Final = 480
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of the user: its bytes and a display name."""

    name: str
    data: bytes

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the content's SHA-256."""
        return hashlib.sha256(self.data).hexdigest()[:16]

    def preview(self) -> Pixels | None:
        """Return the pixels, upright and small; None if they can't be decoded (the service reports why)."""
        try:
            pixels = decode(self.data, at_least_px=PREVIEW_PX).pixels
        except PhotoError:
            return None
        step = max(1, min(pixels.shape[:2]) // PREVIEW_PX)
        return np.ascontiguousarray(pixels[::step, ::step])


@dataclass(slots=True)
class _Maps:
    """Maps that were requested in this session, and the photos that show theirs, by the photo's key."""

    found: dict[str, Explanation | RequestFailure] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)

    def switch(self, key: str) -> None:
        """Show or hide a map; one that could not be had is requested again."""
        self.shown ^= {key}
        if isinstance(self.found.get(key), RequestFailure):
            del self.found[key]

    def request(self, photo: Photo, service: Client) -> None:
        """Request the maps of a photo that shows its map, once per session."""
        if photo.key in self.shown and photo.key not in self.found:
            with st.spinner("Analyzing the photo ..."):
                self.found[photo.key] = request_explanation(service, photo.data)
            if isinstance(self.found[photo.key], RequestFailure):
                self.shown.remove(photo.key)


def show_photo(photo: Photo, service: Client, *, prediction: Prediction | None) -> None:
    """Draw a photo with its name; one with a class gets a button that shows its map in place of it."""
    pixels = photo.preview()
    if pixels is None:
        st.caption("No preview available.")
        st.caption(plain(photo.name))
        return
    maps: _Maps = st.session_state.setdefault("maps", _Maps())
    picture = st.empty()
    if not (photo.key in maps.shown and photo.key in maps.found):
        picture.image(pixels, width="stretch", alt=f"Photo: {photo.name}")  # also while the map is requested
    st.caption(plain(photo.name))
    if prediction is None or prediction.label is None:
        return
    maps.request(photo, service)
    words = "Hide the map" if photo.key in maps.shown else "Show which parts mattered"
    st.button(words, key=f"explain-{photo.key}", on_click=maps.switch, args=(photo.key,))
    found = maps.found.get(photo.key)
    if isinstance(found, RequestFailure):
        st.warning(found.message, icon=":material/hourglass_empty:" if found.retryable else ":material/block:")
    elif found and photo.key in maps.shown:
        label = _chosen_class(photo, found, likeliest=prediction.best_guess)
        drawn = heat_map(pixels, found.maps[label], found.box)
        text = map_text(label_word(label).lower(), found.maps[label], found.box)
        picture.image(drawn, width="stretch", alt=f"Map on the photo {photo.name}")
        st.caption(text)


def _chosen_class(photo: Photo, explanation: Explanation, *, likeliest: str) -> str:
    """Return the class that the user chose; at first the likeliest, of the explanation if the model has changed."""
    labels: Sequence[str] = list(explanation.maps)
    first = likeliest if likeliest in labels else explanation.prediction.best_guess
    return st.selectbox(
        "Parts that raise the score of",
        labels,
        index=labels.index(first),
        format_func=label_word,
        key=f"class-{photo.key}",
    )

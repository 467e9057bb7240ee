"""Streamlit page for photos and their predictions, which come from the service."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from petmood.client.client import Client
from petmood.core.environment import API_URL_VARIABLE, DEFAULT_API_URL, TOKEN_VARIABLE
from petmood.core.errors import PetmoodError
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.core.schemas import ModelCardResponse
from petmood.frontend.feedback import show_feedback
from petmood.frontend.photo_view import Photo, show_photo
from petmood.frontend.predictions import RequestFailure, TimedPrediction, failure_of, request_prediction
from petmood.frontend.view import LIMITS, MEANING, ResultView, plain, result_view
from petmood.presentation.answers import NEVER_CONFIDENT, confident_error, photos_kept

__all__ = ["main"]

EXAMPLES: Final = Path(__file__).parent / "examples"
KINDS: Final = sorted(suffix.removeprefix(".") for suffix in PHOTO_SUFFIXES)
SOURCES: Final = ("Upload", "Camera", "Examples")
RETRIES: Final = 2
MOST_MB: Final = 30
STYLE: Final = """<style>
  .block-container {max-width: 46rem; padding-top: 2.2rem; padding-bottom: 3rem}
  [data-testid="stImage"] img {border-radius: .6rem; width: 100%; max-height: 24rem; object-fit: contain}
  [data-testid="stCaptionContainer"] {opacity: .8}
  [data-testid="stProgressBarTrack"] {background: color-mix(in srgb, currentColor 12%, transparent)}
  h1 {font-size: clamp(1.7rem, 7vw, 2.6rem) !important}
</style>"""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A prediction on the page, and the place below it for feedback."""

    photo: Photo
    prediction: Prediction
    place: DeltaGenerator


def main() -> None:
    """Draw the page; Streamlit reruns this after every interaction."""
    st.set_page_config(page_title="petmood", page_icon=str(EXAMPLES / "cat.jpg"), layout="centered", menu_items={})
    st.html(STYLE)
    address = os.environ.get(API_URL_VARIABLE, DEFAULT_API_URL)
    try:
        service = Client(address, token=os.environ.get(TOKEN_VARIABLE) or None, retries=RETRIES)
    except PetmoodError as error:  # the address, the token or a proxy
        st.error(str(error), icon=":material/block:")
        return
    with service:
        _draw(service)


def _draw(service: Client) -> None:
    st.title("How does this pet look?", icon=":material/pets:", anchor=False)
    st.write("Choose a photo of a pet's face. You get its expression, or “Not sure” and the best guess.")
    notice = st.empty()  # above the results, but filled last: they don't wait for the model card
    photos = {photo.key: photo for photo in reversed(_photos())}.values()  # newest first, and equal ones once
    shown = [found for photo in photos if (found := _show(photo, service))]
    _show_history()
    _show_meaning()
    card = _show_card(service, notice=notice)
    for one in shown if card is not None and card.takes_feedback else ():
        with one.place:
            show_feedback(one.photo.key, one.prediction, service)


def _photos() -> list[Photo]:
    """Return the user's photos from the selected source."""
    source = st.segmented_control("Photo source", SOURCES, default=SOURCES[0], required=True, key="source")
    if source == "Camera":
        taken = st.camera_input("Take a photo of your pet's face", key="camera")
        return [Photo("Camera photo", taken.getvalue())] if taken else []
    if source == "Examples":
        chosen = st.segmented_control(
            "Example drawings", _examples(), format_func=lambda path: path.stem.replace("-", " "), key="example"
        )
        st.caption("These are drawings. A model of photos may find no pet in them.")
        return [Photo(chosen.stem.replace("-", " "), chosen.read_bytes())] if chosen else []
    given = st.file_uploader(
        "Choose one or more photos",
        type=KINDS,
        accept_multiple_files=True,
        max_upload_size=MOST_MB,
        key="upload",
        help="Your photos are sent to the service for analysis. This page stores none of them.",
    )
    return [Photo(file.name, file.getvalue()) for file in given]


def _examples() -> Sequence[Path]:
    return sorted(EXAMPLES.glob("*.jpg"))


def _show(photo: Photo, service: Client) -> _Shown | None:
    """Draw a photo with its answer; return the prediction, or None if there is none."""
    answer = _answer(photo, service)
    with st.container(border=True, key=f"photo-{photo.key}"):
        left, right = st.columns([2, 3], gap="medium")
        with left:
            show_photo(photo, service, prediction=None if isinstance(answer, RequestFailure) else answer.prediction)
        with right:
            if isinstance(answer, RequestFailure):
                _show_failure(photo, answer)
                return None
            _show_prediction(result_view(answer.prediction, seconds=answer.seconds))
            return _Shown(photo, answer.prediction, st.container())


def _answer(photo: Photo, service: Client) -> TimedPrediction | RequestFailure:
    """Return the service's result for a photo; it is requested once per session and kept across reruns."""
    known: dict[str, TimedPrediction | RequestFailure] = st.session_state.setdefault("answers", {})
    if photo.key not in known:
        with st.spinner("Analyzing the photo ..."):
            known[photo.key] = request_prediction(service, photo.data)
        found = known[photo.key]
        if isinstance(found, TimedPrediction):
            view = result_view(found.prediction)
            st.session_state.setdefault("history", []).append((photo.name, view.headline))
    return known[photo.key]


def _show_prediction(view: ResultView) -> None:
    st.header(view.headline, icon=view.icon, anchor=False)
    st.write(view.sentence)
    for bar in view.bars:
        st.progress(bar.share, text=bar.text)
    for warning in view.warnings:
        st.warning(warning, icon=":material/warning:")
    if view.advice:
        st.info("For a better result:\n" + "\n".join(f"- {line}" for line in view.advice))
    st.caption(view.footnote)


def _show_failure(photo: Photo, failure: RequestFailure) -> None:
    if failure.retryable:
        st.warning(failure.message, icon=":material/hourglass_empty:")
        if st.button("Try again", key=f"again-{photo.key}"):
            st.session_state["answers"].pop(photo.key, None)
            st.rerun()
    else:
        st.error(failure.message, icon=":material/block:")


def _show_history() -> None:
    history: list[Any] = st.session_state.get("history", [])
    if len(history) > 1:
        with st.expander(f"Your photos in this session ({len(history)})"):
            st.table({"Photo": [plain(name) for name, _ in history], "Result": [answer for _, answer in history]})


def _show_meaning() -> None:
    with st.expander("What the results mean, and their limits"):
        st.markdown(MEANING)
        st.markdown(LIMITS)


def _show_card(service: Client, *, notice: DeltaGenerator) -> ModelCardResponse | None:
    """Show the model card and return it, or fill ``notice`` with the reason why there is none."""
    try:
        found = service.card()
    except PetmoodError as error:
        message = failure_of(error).message.replace(
            "Your photo stays on this page: please try again.", "Reload the page to try again."
        )
        notice.warning(message, icon=":material/hourglass_empty:")
        return None
    with notice.container():
        if found.manifest.get("data_kind") == "drawings":
            st.warning(f"{PRACTICE_MODEL} Try it with the examples.", icon=":material/draw:")
        if found.manifest.get("confidence_threshold", 0) > 1:
            st.info(NEVER_CONFIDENT, icon=":material/help:")
        if found.keep_photos_days is not None:
            st.caption(photos_kept(found.keep_photos_days))
        threshold = found.manifest.get("confidence_threshold", 0)
        if often := confident_error(threshold, found.manifest.get("target_error")):
            st.caption(often)
    with st.expander("Model card: training data and accuracy"):
        st.markdown(found.card)
    st.caption(f"Model {found.model.name} {found.model.version} at {service.address}")
    return found


if __name__ == "__main__":
    main()

"""Feedback on a prediction: "Right" in one click, or "Wrong" and then the class that is right."""

import secrets
from dataclasses import dataclass
from typing import Final

import streamlit as st

from petmood.client.client import Client
from petmood.core.prediction import Prediction
from petmood.frontend.predictions import send_feedback
from petmood.frontend.view import label_word, plain
from petmood.presentation.answers import FEEDBACK_QUESTION, FEEDBACK_THANKS, OTHER_LABELS, RIGHT, WRONG

__all__ = ["show_feedback"]

THE_PREDICTED: Final = ""
"""What "Right" gives; no class has this name."""
VISITOR_BYTES: Final = 24
GIVEN: Final = ":material/check:"
"""Icon of what was given: Streamlit's filled button has too little contrast in the dark."""


@dataclass(slots=True)
class _Said:
    """What was said of a photo in this session.

    ``given`` is the stored class, or ``THE_PREDICTED``. ``asked`` is the one of the last click, until it is sent.
    """

    given: str | None = None
    asked: str | None = None
    choosing: bool = False
    text: str = ""

    def ask(self, given: str) -> None:
        """Remember a click until the page is drawn again."""
        self.asked = given

    def choose(self) -> None:
        """Show or hide the classes."""
        self.choosing, self.text = not self.choosing, ""

    def send(self, service: Client, prediction: Prediction) -> None:
        """Send what was clicked; the text says what became of it."""
        given, self.asked = self.asked, None
        problem = send_feedback(service, prediction, label=given or None, visitor=_visitor())
        if problem is None:
            self.given, self.choosing = given, given != THE_PREDICTED
        self.text = FEEDBACK_THANKS if problem is None else problem.message


def show_feedback(key: str, prediction: Prediction, service: Client) -> None:
    """Draw the buttons for the photo with this key; a prediction without a request id gets none."""
    if prediction.request_id is None:
        return
    states: dict[str, _Said] = st.session_state.setdefault("feedback", {})
    said = states.setdefault(key, _Said())
    if said.asked is not None:
        said.send(service, prediction)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(FEEDBACK_QUESTION)
        _button(RIGHT, said, THE_PREDICTED, key=f"right-{key}")
        st.button(WRONG, key=f"wrong-{key}", on_click=said.choose)
    if said.choosing:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(OTHER_LABELS)
            for label in prediction.probabilities:
                if label != prediction.label:
                    _button(plain(label_word(label)), said, label, key=f"label-{key}-{label}")
    if said.text:
        st.caption(said.text)


def _button(words: str, said: _Said, given: str, *, key: str) -> None:
    icon = GIVEN if said.given == given else None
    st.button(words, key=key, icon=icon, on_click=said.ask, args=(given,))


def _visitor() -> str:
    """Return the random id of this session, by which the service distinguishes people of one page's process."""
    if "visitor" not in st.session_state:
        st.session_state["visitor"] = secrets.token_urlsafe(VISITOR_BYTES)
    return str(st.session_state["visitor"])

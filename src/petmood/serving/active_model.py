"""Which model answers now, and which did before? Changed in one step, under requests, and back."""

import threading

from petmood.core.errors import BundleError
from petmood.inference.base import Predictor

__all__ = ["ModelSlot"]


class ModelSlot:
    """Holds the predictor that answers; whoever has taken it may finish with it after a change."""

    def __init__(self, predictor: Predictor) -> None:
        self._lock = threading.Lock()
        self._current = predictor
        self._previous: Predictor | None = None

    @property
    def current(self) -> Predictor:
        """The predictor for the next photo."""
        return self._current

    @property
    def previous(self) -> Predictor | None:
        """The predictor before it, which ``roll_back`` returns to."""
        return self._previous

    def swap(self, predictor: Predictor) -> Predictor:
        """Let another predictor answer from now on, and return the one that did so far."""
        with self._lock:
            self._previous, self._current = self._current, predictor
            return self._previous

    def roll_back(self) -> Predictor:
        """Let the predictor before this one answer again, and return the one that did so far.

        Raises:
            BundleError: there was none before.
        """
        with self._lock:
            if self._previous is None:
                raise BundleError("There is no earlier model to go back to: none was loaded since the start.")
            self._previous, self._current = self._current, self._previous
            return self._previous

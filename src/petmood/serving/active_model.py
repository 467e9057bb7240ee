"""Thread-safe holder of the active and the previous predictor, for swap and rollback without downtime."""

import threading

from petmood.core.errors import BundleError
from petmood.inference.base import Predictor

__all__ = ["ModelSlot"]


class ModelSlot:
    """Holds the active predictor; a caller that already took it may finish with it after a swap."""

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
        """The previous predictor, restored by ``roll_back``; None before the first swap."""
        return self._previous

    def swap(self, predictor: Predictor) -> Predictor:
        """Make another predictor the active one and return the one it replaces."""
        with self._lock:
            self._previous, self._current = self._current, predictor
            return self._previous

    def roll_back(self) -> Predictor:
        """Restore the previous predictor and return the one it replaces.

        Raises:
            BundleError: there is no previous predictor.
        """
        with self._lock:
            if self._previous is None:
                raise BundleError(
                    "There is no previous model: no other model was loaded since the service started. "
                    "Load one with POST /models/load."
                )
            self._previous, self._current = self._current, self._previous
            return self._previous

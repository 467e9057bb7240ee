"""Retention of kept photos: those that are too old are deleted in each folder that the log names and that is here."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from petmood.core.redact import one_line
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import is_here
from petmood.monitoring.prediction_log.clock import AgeClock

__all__ = ["PRUNE_EVERY_S", "PhotoRetention"]

logger = logging.getLogger(__name__)

PRUNE_EVERY_S: Final = 3600.0


class PhotoRetention:
    """Deletes the photos that are too old, at the start and once an hour; never raises.

    ``remembered`` returns the folders that the log names. Photos there are deleted by the age that each folder has: it
    was set when they were kept. ``own`` is the folder of this service, in which photos aren't older than ``most_days``
    either, the age at which rows are deleted. Folders that are not on this machine are named once. Ages are computed by
    ``clock``. Not thread-safe.
    """

    def __init__(
        self,
        remembered: Callable[[], Sequence[Path]],
        *,
        own: Path | None = None,
        most_days: float | None = None,
        clock: AgeClock | None = None,
    ) -> None:
        self._remembered, self._own, self._most_days = remembered, own, most_days
        self._known: Sequence[Path] = ()
        self._missing: set[Path] = set()
        self._prune_at = time.monotonic()
        self._clock = clock or AgeClock("photos")

    def step(self) -> None:
        """Delete the photos that are too old, if it is time."""
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + PRUNE_EVERY_S
        self._read_folders()
        limits: dict[Path, float | None] = dict.fromkeys(self._known)
        if self._own is not None:
            limits[self._own.absolute()] = self._most_days
        deleted = sum(self._delete(folder, most_days=days) for folder, days in limits.items() if is_here(folder))
        if deleted:
            logger.info("prediction log: %d photos deleted as they are too old", deleted)

    def _read_folders(self) -> None:
        """Read the folders that the log names; without the log, those that were read before are known."""
        try:
            self._known = self._remembered()
        except Exception as error:  # noqa: BLE001 - of any kind: the other photos are deleted nevertheless
            reason = one_line(error)
            logger.warning("prediction log: the folders of kept photos can't be read; again in an hour: %s", reason)
        if missing := [one for one in self._known if one not in self._missing and not is_here(one)]:
            self._missing.update(missing)
            logger.warning(
                "prediction log: the log names folders of photos that are not on this machine, in which none are "
                "deleted by age from here: %s",
                ", ".join(map(str, missing)),
            )

    def _delete(self, folder: Path, *, most_days: float | None) -> int:
        try:
            return KeptPhotos(folder).delete_expired(most_days=most_days, now_s=self._clock.now_s())
        except (OSError, ValueError) as error:
            reason = one_line(error)
            logger.error("prediction log: photos that are too old can't be deleted in %s: %s", folder, reason)  # noqa: TRY400 - no traceback of a full disk
            return 0

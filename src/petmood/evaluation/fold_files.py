"""Files of folds that have ended, so that an interrupted cross-validation continues with the others."""

import dataclasses
import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.errors import DataError, RunError
from petmood.core.files import atomic_write_bytes, atomic_write_json

__all__ = ["FOLDS_NAME", "FoldFiles", "read_origin"]

logger = logging.getLogger(__name__)

FOLDS_NAME: Final = "folds"
ORIGIN_NAME: Final = "origin.json"
MAX_CLASSES: Final = 1000


def read_origin(run: Path) -> dict[str, Any] | None:
    """Return what the logits of a cross-validation's folds depend on; None if no fold is stored.

    Raises:
        RunError: the file can't be read.
    """
    path = run / FOLDS_NAME / ORIGIN_NAME
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
        return dict(found)
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path} can't be read. Move {run} away, or give another run.name.") from error


@dataclass(frozen=True, slots=True)
class FoldFiles:
    """The logits of folds, a file each, below the folder of a cross-validation.

    ``origin`` is everything that the logits depend on, by name and as JSON values; ``method`` is what was fitted.
    """

    run: Path
    origin: Mapping[str, Any]
    method: str = "recipe"

    def of(self, method: str) -> Self:
        """Return the files of another method of the same cross-validation."""
        return dataclasses.replace(self, method=method)

    def refuse_other(self) -> None:
        """Refuse a folder that holds the folds of another origin.

        Raises:
            RunError: the folder's folds were fitted with other settings, data or code; the message says which.
        """
        origin = read_origin(self.run)
        if origin is None:
            return
        other = sorted(name for name in self.origin.keys() | origin.keys() if self.origin.get(name) != origin.get(name))
        if other:
            raise RunError(
                f"{self.run} holds folds of a cross-validation with other {' and other '.join(other)}. "
                "Give another run.name, or move that folder away."
            )

    def read(self, repeat: int, fold: int, paths: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the logits [N, K] of the N photos tested in a fold; None if they aren't stored for this origin."""
        longest = max(map(len, paths), default=1)
        bounds = {
            "key": ArrayBounds(f"U{len(self._key())}", ()),
            "paths": ArrayBounds(f"U{max(longest, 1)}", (len(paths),)),
            "logits": ArrayBounds("float64", (len(paths), MAX_CLASSES)),
        }
        try:
            stored = read_arrays(self._path(repeat, fold), bounds)
        except DataError:
            return None
        is_same = str(stored["key"]) == self._key() and stored["paths"].tolist() == list(paths)
        return stored["logits"] if is_same and len(stored["logits"]) == len(paths) else None

    def write(self, repeat: int, fold: int, paths: Sequence[str], logits: NDArray[np.float64]) -> None:
        """Store the logits of a fold; if the disk rejects them, a warning says so and nothing is raised."""
        path = self._path(repeat, fold)
        arrays = {
            "key": np.array(self._key()),
            "paths": np.array(paths, dtype=np.str_),
            "logits": np.asarray(logits, np.float64),
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        try:
            atomic_write_json(self.run / FOLDS_NAME / ORIGIN_NAME, dict(self.origin))
            atomic_write_bytes(path, buffer.getvalue())
        except OSError as error:
            logger.warning("%s: %s. The cross-validation continues without this file.", path, error.strerror)

    def _path(self, repeat: int, fold: int) -> Path:
        return self.run / FOLDS_NAME / f"{self.method}-{repeat}-{fold}.npz"

    def _key(self) -> str:
        return hashlib.sha256(json.dumps(self.origin, sort_keys=True).encode()).hexdigest()

"""Folder of heat maps of `petmood predict --explain`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from petmood.core.errors import OutputError
from petmood.core.names import printable

if TYPE_CHECKING:
    from petmood import Client, Predictor
    from petmood.inference.base import Answer

__all__ = ["HeatMapFolder"]

SIDE_PX: Final = 800
"""Longest side of a heat map."""


@dataclass(slots=True)
class HeatMapFolder:
    """Writes the heat map of each photo with a label as ``folder/NAME.jpg``; NAME is the photo's path with its suffix.

    ``written`` counts the files; one of an earlier run is replaced.
    """

    folder: Path
    written: int = 0

    def check(self, photos: Sequence[Path]) -> None:
        """Refuse a folder that can't be written, or that is in a folder of photos: the next run would predict it.

        Raises:
            OutputError: the folder is one of these.
        """
        from petmood.core.output_paths import refuse_unwritable

        refuse_unwritable(self.folder)
        inside = next(
            (one for one in photos if one.is_dir() and self.folder.resolve().is_relative_to(one.resolve())), None
        )
        if inside is not None:
            raise OutputError(
                f"Expected a folder outside {printable(str(inside))} after --explain, got "
                f"{printable(str(self.folder))}. Its files would be predicted as photos next time."
            )

    def add(self, predictor: "Predictor | Client", name: str, answer: "Answer", photo: bytes | Path | None) -> None:
        """Write the heat map of a photo that has a label.

        Raises:
            OutputError: the file can't be written.
            PetmoodError: the service can't explain the photo.
        """
        from petmood.core.photo import decode
        from petmood.core.prediction import Prediction
        from petmood.presentation.heat_map import heat_map_jpeg

        if photo is None or not isinstance(answer, Prediction) or answer.label is None:
            return
        explanation = predictor.explain(photo)
        pixels = decode(photo, at_least_px=SIDE_PX).pixels
        made = heat_map_jpeg(pixels, explanation.maps[answer.label], explanation.box, side_px=SIDE_PX)
        self._write(name, made)

    def _write(self, name: str, data: bytes) -> None:
        from petmood.core.files import atomic_write_bytes

        below = [part for part in Path(name).parts if part not in {Path(name).anchor, ".."}]
        file = self.folder.joinpath(*below)
        file = file.with_name(f"{file.name}.jpg")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(file, data)
        except OSError as error:
            raise OutputError(
                f"{printable(str(file))} can't be written ({error.strerror or error}). "
                "Free disk space, or choose another folder."
            ) from error
        self.written += 1

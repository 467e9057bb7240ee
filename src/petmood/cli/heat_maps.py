"""Explanations and the folder of heat maps of `petmood predict --explain`."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from petmood.cli.photo_answers import STDIN, PhotoAnswer, PipedPhoto, content_of
from petmood.core.errors import OutputError, PetmoodError, PhotoError, ServiceError
from petmood.core.names import printable

if TYPE_CHECKING:
    from petmood import Client, Predictor
    from petmood.core.explanation import Explanation
    from petmood.inference.base import Answer

__all__ = ["HeatMapFolder", "explained_answers"]

SIDE_PX: Final = 800
"""Longest side of a heat map."""


def explained_answers(
    predictor: "Predictor | Client", photos: "Sequence[Path | PipedPhoto]", *, wanted: "Callable[[Answer], bool]"
) -> "Iterator[PhotoAnswer]":
    """Yield the answers of photos in order, with an explanation of each that has a label and is wanted.

    An explanation has the prediction, and with the maps of a bundle's network it takes as long. So the photos of such a
    bundle are explained, and not predicted before. Occlusion maps take 25 more passes, and a service predicts many
    photos in one request and counts predictions alone. There, photos are predicted, and the wanted ones explained.

    Raises:
        RequestError, ServiceError: the service can't predict.
    """
    from petmood import Client

    left = iter(photos)
    for photo in () if isinstance(predictor, Client) else left:
        found = _explained(predictor, photo)
        yield found
        if found.explanation is not None and not _is_map_of_network(found.explanation):
            break
    rest = [*left]
    for photo, answer in zip(rest, predictor.predict_many(rest), strict=True):
        content = content_of(photo)
        found = PhotoAnswer(content, answer)
        is_wanted = found.label is not None and wanted(answer)
        yield replace(found, explanation=_explanation(predictor, content)) if is_wanted else found


def _is_map_of_network(explanation: "Explanation | PetmoodError") -> bool:
    return not isinstance(explanation, PetmoodError) and explanation.method != "occlusion"


def _explained(predictor: "Predictor | Client", photo: "Path | PipedPhoto") -> PhotoAnswer:
    try:
        explanation = predictor.explain(photo)
    except PhotoError as error:
        return PhotoAnswer(content_of(photo), error)
    except PetmoodError as error:
        content, failure = content_of(photo), error
    else:
        return PhotoAnswer(content_of(photo), explanation.prediction, explanation)
    try:
        return PhotoAnswer(content, predictor.predict(content), failure)
    except PhotoError as error:
        return PhotoAnswer(content, error)


def _explanation(predictor: "Predictor | Client", photo: bytes | Path) -> "Explanation | PetmoodError":
    try:
        return predictor.explain(photo)
    except PetmoodError as error:
        return error


@dataclass(slots=True)
class HeatMapFolder:
    """Writes the heat map of each photo with a label as ``folder/NAME.jpg``; NAME is the photo's path with its suffix.

    One of an earlier run is replaced. ``failure`` says why the first map that is missing could not be made.
    """

    folder: Path
    failed: int = 0
    failure: str = ""
    _written: set[Path] = field(default_factory=set)

    def check(self, photos: Sequence[Path]) -> None:
        """Refuse a folder that can't be written, or that has the photos: the next run would predict the heat maps.

        Raises:
            OutputError: the folder is one of these.
        """
        from petmood.core.output_paths import refuse_unwritable

        refuse_unwritable(self.folder)
        self.refuse_among(photos)

    def refuse_among(self, photos: Iterable[Path]) -> None:
        """Refuse a folder that has the photos, or what links among them lead to.

        Raises:
            OutputError: the folder is one of these.
        """
        target = self.folder.resolve()
        for one in photos:
            if one != STDIN and _has(one, target):
                raise OutputError(
                    f"Expected a folder without photos after --explain, got {printable(str(self.folder))}, which has "
                    f"{printable(str(one))} or is in it. Its files would be predicted as photos next time."
                )

    def add(self, name: str, found: PhotoAnswer) -> None:
        """Write the heat map of a photo that has a label; a map that can't be made is counted in ``failed``.

        Raises:
            OutputError: the file can't be written.
        """
        if found.label is None or found.explanation is None or found.photo is None:
            return
        try:
            made = _heat_map(found.explanation, found.photo, found.label)
        except PetmoodError as error:
            self.failed += 1
            self.failure = self.failure or str(error)
        else:
            self._write(name, made)

    def summary(self) -> str:
        """Return the number of files, and why others are missing."""
        missing = f"; {self.failed} could not be made, the first since: {self.failure}" if self.failed else ""
        return f"Heat maps: {len(self._written)} in {printable(str(self.folder))}{missing}"

    def _write(self, name: str, data: bytes) -> None:
        from petmood.core.files import atomic_write_bytes

        file = self._file_of(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(file, data)
        except OSError as error:
            raise OutputError(
                f"{printable(str(file))} can't be written ({error.strerror or error}). "
                "Free disk space, or choose another folder."
            ) from error
        self._written.add(file)

    def _file_of(self, name: str) -> Path:
        """Return the file for a photo below the folder; photos of equal names get numbers."""
        below = self.folder.joinpath(*[part for part in Path(name).parts if part not in {Path(name).anchor, ".."}])
        file, number = below.with_name(f"{below.name}.jpg"), 2
        while file in self._written:
            file, number = below.with_name(f"{below.name}-{number}.jpg"), number + 1
        return file


def _has(photos: Path, target: Path) -> bool:
    """Return whether a folder is one of photos: that of a photo or of a link to it, a given folder, or one in that."""
    real = Path(os.path.realpath(photos))  # not resolve(), which raises RuntimeError for links in a circle
    if photos.is_dir():
        return target.is_relative_to(real)
    return target in {real.parent, Path(os.path.realpath(photos.parent))}


def _heat_map(explanation: "Explanation | PetmoodError", photo: bytes | Path, label: str) -> bytes:
    from petmood.core.photo import decode
    from petmood.presentation.heat_map import heat_map_jpeg

    if isinstance(explanation, PetmoodError):
        raise explanation
    if label not in explanation.maps:
        raise ServiceError(f"The service explained classes without {label}: its model has changed. Run it again.")
    pixels = decode(photo, at_least_px=SIDE_PX).pixels
    return heat_map_jpeg(pixels, explanation.maps[label], explanation.box, side_px=SIDE_PX)

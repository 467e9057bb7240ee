"""What `petmood predict` prints and writes: lines, a page and heat maps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict

import click

from petmood.cli.heat_maps import HeatMapFolder, explained_answers
from petmood.cli.output import csv_line, echo_json
from petmood.cli.photo_answers import PhotoAnswer, PipedPhoto, Tally, contact_sheet, content_of, kind_of, name_in
from petmood.core.errors import ConfigError
from petmood.core.names import printable

if TYPE_CHECKING:
    from petmood import Client, Predictor
    from petmood.inference.base import Answer
    from petmood.reports.contact_sheet import ContactSheet

    Printer = Callable[[str, Answer], None]

__all__ = ["OutputOptions", "Outputs"]


class OutputOptions(TypedDict):
    """The options of the command that say what it prints and writes."""

    as_json: bool
    as_csv: bool
    only: str | None
    html: Path | None
    explain: Path | None


@dataclass(slots=True)
class Outputs:
    """Prints and writes the answers as the options say, and counts them in ``tally``."""

    options: OutputOptions
    maps: HeatMapFolder | None
    tally: Tally = field(default_factory=Tally)
    _sheet: "ContactSheet | None" = None
    _show: "Printer | None" = None
    _folder: Path | None = None

    @classmethod
    def of(cls, options: OutputOptions, photos: Sequence[Path]) -> Self:
        """Return the outputs after a check of the options; nothing is printed or written.

        Raises:
            ConfigError, OutputError: options exclude each other, or a target can't be written.
        """
        if options["as_json"] and options["as_csv"]:
            raise ConfigError("Expected --json or --csv, got both. Leave one out.")
        contact_sheet(options["html"])
        maps = HeatMapFolder(options["explain"]) if options["explain"] else None
        if maps:
            maps.check(photos)
        return cls(options, maps)

    def refuse_heat_maps_among(self, photos: Iterable[Path]) -> None:
        """Refuse a folder of heat maps that links in the folders of photos lead to.

        Raises:
            OutputError: a photo is in it.
        """
        if self.maps:
            self.maps.refuse_among(photos)

    @contextmanager
    def opened(self, folder: Path | None) -> Iterator[None]:
        """Print the head of a table, and write the page at the end; names are relative to ``folder``."""
        self._folder = folder
        self._show = self._printer()
        with contact_sheet(self.options["html"]) as sheet:
            self._sheet = sheet
            yield
            if sheet:
                sheet.write(self.tally.facts(folder, only=self.options["only"]))

    def answers(
        self, predictor: "Predictor | Client", photos: "Sequence[Path | PipedPhoto]"
    ) -> "Iterator[PhotoAnswer]":
        """Yield the answers of photos in order, with explanations for the heat maps."""
        if self.maps:
            return explained_answers(predictor, photos, wanted=self._is_shown)
        answers = zip(photos, predictor.predict_many(photos), strict=True)
        return (PhotoAnswer(content_of(photo), answer) for photo, answer in answers)

    def add(self, path: Path, found: PhotoAnswer) -> None:
        """Count an answer; print and write it, unless ``--only`` leaves out its kind."""
        kind = self.tally.add(found.answer)
        if not self._is_shown(found.answer):
            return
        name = name_in(self._folder, path)
        if self._show:
            self._show(printable(str(path)), found.answer)
        if self._sheet:
            self._sheet.add(name, found.answer, kind=kind, photo=found.photo)
        if self.maps:
            self.maps.add(name, found)

    def _is_shown(self, answer: "Answer") -> bool:
        return self.options["only"] in {None, kind_of(answer)}

    @property
    def failed(self) -> bool:
        """Whether a photo was rejected, or a heat map could not be made."""
        return bool(self.tally.counts["rejected"] or (self.maps and self.maps.failed))

    def say_counts(self) -> None:
        """Print the counts, the notices and the paths of what was written to standard error."""
        options, lines = self.options, list[str]()
        as_text = not (options["as_json"] or options["as_csv"])
        if as_text and sum(self.tally.counts.values()) > 1:
            lines.append(self.tally.summary())
        if not options["as_json"]:
            lines += self.tally.notices
        if as_text and options["html"]:
            lines.append(f"Page: {printable(str(options['html']))}")
        if self.maps and (as_text or self.maps.failed):
            lines.append(self.maps.summary())
        for line in lines:
            click.echo(line, err=True)

    def _printer(self) -> "Printer":
        if self.options["as_json"]:
            return _json_printer()
        return _csv_printer() if self.options["as_csv"] else _text_printer()


def _text_printer() -> "Printer":
    from petmood.cli.tables import prediction_text

    return lambda name, answer: click.echo(prediction_text(name, answer), err=kind_of(answer) == "rejected")


def _json_printer() -> "Printer":
    from petmood.inference.base import answer_response

    return lambda name, answer: echo_json(answer_response(name, answer).model_dump(mode="json"))


def _csv_printer() -> "Printer":
    from petmood.cli.tables import CSV_COLUMNS, answer_row

    click.echo(csv_line(CSV_COLUMNS))
    return lambda name, answer: click.echo(csv_line(answer_row(name, answer)))

"""Photo extraction from a request body: multipart form fields or the raw body; file names are ignored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from petmood.core.errors import (
    BadForm,
    FileTooLarge,
    PetmoodError,
    UnprocessableContent,
    UnsupportedFormat,
    UnsupportedMediaType,
)
from petmood.core.schemas import PHOTO_FIELD

__all__ = ["HINT", "OVERHEAD_BYTES", "ContentType", "one_photo", "parse_content_type", "parse_photos"]

HINT: Final = (
    "Send a photo as a form field: curl -F photo=@pet.jpg URL, "
    "or as the request body: curl -H 'Content-Type: image/jpeg' --data-binary @pet.jpg URL"
)
OVERHEAD_BYTES: Final = 64_000
"""Bytes allowed for a form in addition to its photo: boundaries, headers, a few small fields."""

OTHER_FIELDS: Final = 8
PART_HEADERS: Final = 16
PART_HEADER_BYTES: Final = 16_384
PARAMETER: Final = re.compile(r';\s*([^=;\s]+)\s*=\s*(?:"([^"]*)"|([^;]*))')
"""Parameter of a header as browsers write it (WHATWG HTML): quotes in a value are %22, a backslash is itself."""
NAME: Final = re.compile(r'[;\s]name="([^"]*)"')
"""The field of a part whose file name lacks its closing quote."""
BASE64: Final = re.compile(
    rb"\s*[\"']?((?i:data:)|/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/]{4}|AAAA[0-9A-Za-z+/]{2}Z0eX)"
)
"""Beginning of a data URL or of a photo in base64."""


@dataclass(frozen=True, slots=True)
class ContentType:
    """Parsed Content-Type: a form with its boundary or, if ``boundary`` is None, a raw photo."""

    boundary: str | None


def parse_content_type(content_type: str) -> ContentType:
    """Parse a Content-Type header before the body is read; the content decides on any format other than text and JSON.

    Raises:
        UnsupportedMediaType: text, or JSON.
        BadForm: a form without a boundary.
    """
    kind = content_type.partition(";")[0].strip().lower()
    boundary = _parameters(content_type).get("boundary")
    if kind == "multipart/form-data" and boundary:
        return ContentType(boundary)
    if kind.startswith("text/") or kind == "application/json" or kind.endswith("+json"):
        raise UnsupportedMediaType(f"Expected a photo, got {kind[:60]!r}. {HINT}")
    if kind.startswith("multipart/"):
        raise BadForm(f"Expected multipart/form-data with a boundary. {HINT}")
    return ContentType(None)


def parse_photos(body: bytes, kind: ContentType, *, most: int, file_bytes: int) -> list[bytes | PetmoodError]:
    """Return the photos of a body in order; a photo over ``file_bytes`` is replaced by its error.

    Raises:
        BadForm: the form can't be parsed, or has too many parts.
        UnprocessableContent: no photo, or more than ``most``.
    """
    if kind.boundary is None:
        return [_not_text(body)]
    photos: list[bytes | PetmoodError] = []
    wanted, pieces = False, list[bytes]()
    try:
        with PushMultipartParser(
            kind.boundary.encode("latin-1"),
            max_header_size=PART_HEADER_BYTES,
            max_header_count=PART_HEADERS,
            max_segment_count=most + OTHER_FIELDS,
            header_charset="latin-1",  # file names come in any charset, and are ignored
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    wanted, pieces = _is_photo(event.headerlist), []
                elif event is not None:
                    pieces.append(event)
                elif wanted:
                    photos.append(_checked(b"".join(pieces), file_bytes))
    except ParserLimitReached as error:
        limits = (
            f"at most {most + OTHER_FIELDS} parts with {PART_HEADERS} headers of {PART_HEADER_BYTES // 1024} kB each"
        )
        raise BadForm(f"Expected a form of {limits}, got more. {HINT}") from _light(error)
    except (MultipartError, UnicodeError) as error:
        raise BadForm(f"Expected a complete form, got one that is truncated or malformed. {HINT}") from _light(error)
    if not photos or len(photos) > most:
        raise _wrong_number(len(photos), most)
    return photos


def one_photo(body: bytes, kind: ContentType, *, file_bytes: int) -> bytes:
    """Return the one photo of a body.

    Raises:
        RequestError, FileTooLarge: see ``parse_photos``.
    """
    (photo,) = parse_photos(body, kind, most=1, file_bytes=file_bytes)
    if isinstance(photo, PetmoodError):
        raise photo
    return photo


def _checked(photo: bytes, file_bytes: int) -> bytes | PetmoodError:
    if len(photo) > file_bytes:
        got = f"{len(photo) / 1e6:.1f} MB"
        return FileTooLarge(f"Expected a photo of at most {file_bytes / 1e6:.0f} MB, got {got}. Send a smaller copy.")
    return _not_text(photo)


def _not_text(photo: bytes) -> bytes | PetmoodError:
    if (found := BASE64.match(photo)) is None:
        return photo
    got = "a data URL" if found[1].lower() == b"data:" else "base64 text"
    return UnsupportedFormat(f"Expected the bytes of a photo, got {got}. Decode it first. {HINT}")


def _is_photo(headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether a part is a file in the photo field, whatever the file is called."""
    disposition = next((value for name, value in headers if name == "Content-Disposition"), "")
    parameters = _parameters(disposition)
    field = parameters.get("name")
    if field is None and (found := NAME.search(disposition)):
        field = found[1]
    return field == PHOTO_FIELD and not parameters.keys().isdisjoint({"filename", "filename*"})


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header by their names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for match in PARAMETER.finditer(header):
        quoted = match[2]
        found.setdefault(match[1].lower(), match[3].strip().strip('"') if quoted is None else quoted)
    return found


def _light(error: Exception) -> Exception:
    """Return a parser's error without its traceback, which references the parser and so keeps the body in memory."""
    return error.with_traceback(None)


def _wrong_number(got: int, most: int) -> UnprocessableContent:
    expected = f"one field '{PHOTO_FIELD}'" if most == 1 else f"1 to {most} fields '{PHOTO_FIELD}'"
    return UnprocessableContent(f"Expected {expected} with a file, got {got}. {HINT}")

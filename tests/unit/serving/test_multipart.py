"""Tests of photo extraction from forms and raw bodies."""

import contextlib
import gc
import sys

import pytest

from petmood.core.errors import (
    BadForm,
    FileTooLarge,
    PetmoodError,
    UnprocessableContent,
    UnsupportedFormat,
    UnsupportedMediaType,
)
from petmood.serving.multipart import ContentType, one_photo, parse_content_type, parse_photos

FORM = ContentType("edge")
ODD_NAMES = [
    "../../../etc/passwd",
    "a\x00b.jpg",
    "x" * 4000,
    "\u202egpj.exe",
    "🐶.jpg",
    "=cmd|' /C calc'!A0",
    "a\\b.jpg",
    "",
]


def part(content: bytes, *, field: str = "photo", name: str | None = "a.jpg") -> bytes:
    """Return one part of a form."""
    file = "" if name is None else f'; filename="{name}"'
    return f'--edge\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Return a complete form."""
    return b"".join(parts) + b"--edge--\r\n"


def photos(body: bytes, *, most: int = 1) -> list[bytes | PetmoodError]:
    """Return a form's photos."""
    return parse_photos(body, FORM, most=most, file_bytes=1000)


@pytest.mark.parametrize(
    "said", ["image/jpeg", "image/png", "", "application/octet-stream", "application/x-www-form-urlencoded", "rubbish"]
)
def test_whatever_a_body_is_called_its_bytes_decide(said: str) -> None:
    assert one_photo(b"bytes", parse_content_type(said), file_bytes=1000) == b"bytes"


@pytest.mark.parametrize(
    "said", ["application/json", "text/plain; charset=utf-8", "application/problem+json", "TEXT/HTML"]
)
def test_text_is_refused_with_a_hint(said: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"Expected a photo, got .*curl -F photo=@pet\.jpg"):
        parse_content_type(said)


@pytest.mark.parametrize(
    "said", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=edge"]
)
def test_a_form_needs_a_boundary(said: str) -> None:
    with pytest.raises(BadForm, match="boundary"):
        parse_content_type(said)


@pytest.mark.parametrize(
    "said",
    [
        "multipart/form-data; boundary=edge",
        'Multipart/Form-Data; charset=utf-8; boundary="edge"',
        'multipart/form-data; boundary="edge',
        "multipart/form-data;\tBOUNDARY=edge ; charset=utf-8",
        "multipart/form-data; boundary=edge; boundary=other",
        'multipart/form-data; note="; boundary=other"; boundary=edge',
    ],
)
def test_the_boundary_may_be_quoted(said: str) -> None:
    assert parse_content_type(said) == FORM


def test_the_photo_of_a_form_is_found_among_other_fields() -> None:
    body = form(part(b"7", field="id", name=None), part(b"pixels\r\n--edg"), part(b"x", field="note", name="n.txt"))
    assert photos(body) == [b"pixels\r\n--edg"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_name_is_never_looked_at(name: str) -> None:
    assert photos(form(part(b"pixels", name=name))) == [b"pixels"]


def test_a_field_without_a_file_is_no_photo() -> None:
    with pytest.raises(UnprocessableContent, match="Expected one field 'photo' with a file, got 0"):
        photos(form(part(b"pixels", name=None)))
    with pytest.raises(UnprocessableContent):
        photos(form(part(b"pixels", field="image")))


def test_two_photos_are_one_too_many() -> None:
    with pytest.raises(UnprocessableContent, match="got 2"):
        photos(form(part(b"a"), part(b"b")))


def test_a_batch_keeps_its_order_and_has_a_limit() -> None:
    parts = [part(str(number).encode()) for number in range(33)]
    assert photos(form(*parts[:32]), most=32) == [str(number).encode() for number in range(32)]
    with pytest.raises(UnprocessableContent, match="Expected 1 to 32 fields 'photo' with a file, got 33"):
        photos(form(*parts), most=32)


def test_a_photo_over_the_limit_is_refused_in_its_place() -> None:
    found = photos(form(part(b"a"), part(b"x" * 1001), part(b"b")), most=3)
    assert (found[0], found[2]) == (b"a", b"b")
    assert isinstance(found[1], FileTooLarge)
    with pytest.raises(FileTooLarge):
        one_photo(form(part(b"x" * 1001)), FORM, file_bytes=1000)


def test_two_thousand_parts_are_refused() -> None:
    with pytest.raises(BadForm, match="at most 9 parts"):
        photos(form(*[part(b"", field=f"f{number}", name=None) for number in range(2000)]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        part(b"pixels"),
        b"--edge--\r\n"[:-4],
        b"--edge\r\nno header\r\n\r\nx\r\n--edge--\r\n",
        b"--edge\r\n\xff\xfe: x\r\n\r\n",
    ],
)
def test_a_form_that_is_cut_off_or_damaged_is_refused(body: bytes) -> None:
    with pytest.raises(BadForm):
        photos(body)


def test_an_empty_form_has_no_photo() -> None:
    with pytest.raises(UnprocessableContent, match="got 0"):
        photos(b"--edge--\r\n")


@pytest.mark.parametrize("kind", ["damaged", "too many parts"])
def test_a_refused_form_is_let_go_at_once(kind: str) -> None:
    """Memory must not wait for the garbage collector: a form can be 100 MB."""
    parts = 50 if kind == "too many parts" else 1
    body = b"".join([part(b"x" * 100)] * parts)
    before = sys.getrefcount(body)
    gc.disable()
    try:
        with contextlib.suppress(BadForm):
            photos(body)
            raise AssertionError("it was taken")
        assert sys.getrefcount(body) == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="photo"; filename*=UTF-8\'\'%F0%9F%90%B6.jpg; filename="a.jpg"',
        "form-data; name=photo; filename=a.jpg",
        'FORM-DATA; NAME="photo"; FILENAME="a.jpg"',
        'form-data; name="photo"; filename="a\\"; name=\\"id.jpg"',
        "form-data; name=\"photo\"; filename*=UTF-8''caf%C3%A9.jpg",
        'form-data; name="photo"; filename*="iso-8859-1\'en\'caf%E9.jpg"',
        'form-data; name="photo"; filename="a.jpg',
        'form-data; filename="a.jpg; name="photo"',
        'form-data; name="photo"; filename="a"; name="id".jpg"',
        'form-data; filename="C:\\photos\\"; name="photo"',
        'form-data; name="photo"; filename=🐶 (1).jpg',
        'form-data;\tname="photo";\tfilename="a.jpg";',
        'form-data; name="photo";\r\n filename="a.jpg"',
        'form-data; name="photo"; filename="Screenshot at 1.02\u202fPM\u00a0.png"',
    ],
)
def test_a_photos_field_is_found_however_its_client_writes_it(disposition: str) -> None:
    body = f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: image/heic\r\n\r\npixels\r\n--edge--\r\n"
    assert photos(body.encode()) == [b"pixels"]


def test_what_stands_before_and_after_a_form_is_no_part_of_it() -> None:
    assert photos(b"preamble\r\n" + form(part(b"pixels")) + b"epilogue") == [b"pixels"]


@pytest.mark.parametrize("charset", ["cp1252", "cp1251", "shift_jis", "gbk", "euc-kr", "utf-16-le"])
def test_a_file_name_may_have_any_charset(charset: str) -> None:
    names = {"cp1251": "кот", "shift_jis": "猫ソ", "gbk": "猫", "euc-kr": "고양이"}
    name = names.get(charset, "café").encode(charset)
    head = (
        b'--edge\r\nContent-Disposition: form-data; name="photo"; filename="%s"\r\nContent-Type: image/jp\xe9g\r\n\r\n'
    )
    assert photos(head % name + b"pixels\r\n--edge--\r\n") == [b"pixels"]


@pytest.mark.parametrize(
    "boundary", ["----=_Part_1_2.3", "=_a:b/c?d", "a b", "x" * 71, "x" * 3000, "caf\xe9", "'()+_,-./:=?"]
)
def test_a_boundary_is_read_to_its_end(boundary: str) -> None:
    body = form(part(b"pixels")).replace(b"--edge", b"--" + boundary.encode("latin-1"))
    for said in (f'multipart/form-data; boundary="{boundary}"', f"multipart/form-data; boundary={boundary}; a=b"):
        assert one_photo(body, parse_content_type(said), file_bytes=1000) == b"pixels"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"/9j/4AAQSkZJRgABAQ==", "base64 text"),
        (b"\niVBORw0KGgoAAAANSUhEUg==", "base64 text"),
        (b"AAAAHGZ0eXBhdmlm", "base64 text"),
        (b"UklGRiQAAABXRUJQ", "base64 text"),
        (b'"data:image/jpeg;base64,/9j/4AAQ"', "a data URL"),
        (b"DATA:image/png;base64,iVBORw0KGgo=", "a data URL"),
    ],
)
def test_a_photo_as_text_is_refused_by_name(text: bytes, name: str) -> None:
    for body, kind in ((text, ContentType(None)), (form(part(text)), FORM)):
        with pytest.raises(UnsupportedFormat, match=f"Expected the bytes of a photo, got {name}. Decode it first"):
            one_photo(body, kind, file_bytes=1000)


def test_more_or_larger_headers_of_a_part_than_allowed_are_named() -> None:
    many = "".join(f"X-{number}: 1\r\n" for number in range(16))
    for body in (
        form(part(b"a").replace(b"\r\n\r\n", f"\r\n{many}\r\n".encode())),
        form(part(b"a", name="x" * 17_000)),
    ):
        with pytest.raises(BadForm, match="at most 9 parts with 16 headers of 16 kB each"):
            photos(body)

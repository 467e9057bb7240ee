"""Tests of hostile and unusual photos over HTTP, with a check of the service's state after each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.core.bundle import Bundle
from petmood.core.photo import BACKGROUND
from tests.integration.service.hostile import DOCUMENTS, FILE_NAMES, METADATA, metadata_bomb, scan_bomb, smooth_jpeg
from tests.support import images
from tests.support.fault_table import FaultTable
from tests.support.served import Answer, Served, form, serving

proof = pytest.mark.proof
REFUSED_WITHIN_S = 10
"""CPU time in seconds; the scans are rejected undecoded in about 0.01 s and would take minutes to decode."""
FLOOR_MB = 10
"""Memory variation between requests from allocators and the interpreter."""

Send = Callable[..., Answer]


@pytest.fixture
def send(service: Served, table: FaultTable, good: bytes) -> Send:
    """Return a function that sends a photo and then checks the service with ``image_statistics``."""

    def send_and_look(
        fault: int,
        given: str,
        photo: bytes,
        *,
        kind: str = "image/jpeg",
        expect: tuple[int, str] = (200, ""),
        most_mb: float = 50,
    ) -> Answer:
        before, memory_mb = service.numbers(), service.memory_mb()
        service.forget_peak()
        answer = service.predict(photo, kind)
        growth_mb = service.memory_mb(peak=True) - memory_mb
        table.add(fault, given, answer.status, answer.code, below_mb=most_mb)
        assert (answer.status, answer.code) == expect, answer.content
        assert growth_mb < most_mb
        image_statistics(service, before, memory_mb, code=expect[1])
        assert service.predict(good).status == 200
        return answer

    return send_and_look


def image_statistics(service: Served, before: dict[str, float], memory_mb: float, *, code: str) -> None:
    """Check that the process is alive, released its memory and counted an error, if any, exactly once."""
    assert service.process.poll() is None
    service.wait_for_memory(1.1 * memory_mb + FLOOR_MB)
    after = service.numbers()
    errors = {name for name in after if name.startswith("petmood_errors_total")}
    grown = {name: after[name] - before.get(name, 0) for name in errors if after[name] != before.get(name, 0)}
    assert grown == ({f'petmood_errors_total{{code="{code}"}}': 1.0} if code else {})


def classes(answer: Answer) -> dict[str, float]:
    """Return the probabilities."""
    found: dict[str, float] = answer.body["probabilities"]
    return found


def test_a_photo_and_a_refusal_go_through_the_real_service(service: Served, good: bytes) -> None:
    body, kind = form(good)
    assert service.predict(body, kind).body["probabilities"] == service.predict(good).body["probabilities"]
    before, memory_mb = service.numbers(), service.memory_mb()
    refused = service.predict(good[: len(good) // 2])
    assert (refused.status, refused.code) == (422, "corrupt_image")
    image_statistics(service, before, memory_mb, code="corrupt_image")


@proof
def test_pixels_are_counted_from_the_header(send: Send) -> None:
    send(1, "PNG of 13000x13000 in 0.5 MB", images.zeros_png(13000, 13000), expect=(413, "too_many_pixels"))
    send(1, "PNG of 30000x1", images.zeros_png(30000, 1), expect=(422, "bad_aspect"))


@proof
def test_a_large_image_gives_its_memory_back(send: Send) -> None:
    """64 megapixels are allowed; glibc by default kept 790 MB afterwards."""
    send(1, "PNG of 7000x7000", images.zeros_png(7000, 7000), most_mb=1000)
    send(1, "JPEG of 8000x6000", smooth_jpeg(8000, 6000))


@proof
def test_half_an_image_is_refused(send: Send, good: bytes) -> None:
    send(2, "JPEG cut at half", good[: len(good) // 2], expect=(422, "corrupt_image"))
    large = smooth_jpeg(4000, 3000)
    send(2, "large JPEG cut at half", large[: len(large) // 2], expect=(422, "corrupt_image"))


@proof
def test_what_every_viewer_shows_is_answered_with_a_warning(send: Send, photo_pixels: NDArray[np.uint8]) -> None:
    whole = images.jpeg(photo_pixels)
    answer = send(2, "JPEG that lacks only its end marker", whole[:-2])
    assert answer.body["warnings"]
    assert classes(answer) == classes(send(2, "the JPEG with its end marker", whole))
    png = images.png(photo_pixels)
    text = bytearray(images.chunk(b"tEXt", b"Comment\0a"))
    text[-1] ^= 0xFF
    answer = send(2, "PNG with a wrong checksum of its text", png[:33] + bytes(text) + png[33:], kind="image/png")
    assert answer.body["warnings"]
    assert classes(answer) == classes(send(2, "the PNG without that text", png, kind="image/png"))
    pixels = bytearray(png)
    pixels[png.index(b"IDAT") + 20] ^= 0xFF
    send(2, "PNG with a wrong checksum of its pixels", bytes(pixels), kind="image/png", expect=(422, "corrupt_image"))


@proof
def test_a_phone_s_photo_of_64_megapixels_is_answered(send: Send) -> None:
    send(1, "JPEG of 9248x6944", smooth_jpeg(9248, 6944), most_mb=120)


@proof
def test_a_megabyte_of_scans_does_not_keep_a_worker_for_minutes(send: Send, service: Served) -> None:
    before_s = service.processor_s()
    send(2, "progressive JPEG of 60,000 scans", scan_bomb(), expect=(422, "corrupt_image"))
    assert service.processor_s() - before_s < REFUSED_WITHIN_S


@proof
def test_a_polyglot_is_its_pixels_alone(send: Send, photo_pixels: NDArray[np.uint8]) -> None:
    plain, both = images.jpeg(photo_pixels), images.polyglot(photo_pixels)
    answer = send(3, "JPEG + HTML + ZIP", both)
    assert classes(answer) == classes(send(3, "the JPEG alone", plain))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/json"


@proof
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_refused_and_start_nothing(send: Send, service: Served, name: str) -> None:
    answer = send(4, name, DOCUMENTS[name], expect=(415, "unsupported_format"))
    assert "JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC" in answer.body["message"]
    assert service.children() == set(), "nothing like Ghostscript was started"


@proof
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("GIF", lambda: images.animated("GIF")),
        ("WebP", lambda: images.animated("WEBP")),
        ("APNG", images.apng),
    ],
)
def test_of_300_frames_the_first_is_answered(send: Send, name: str, build: Callable[[], bytes]) -> None:
    answer = send(5, f"{name} of 300 frames", build())
    assert any("first frame" in warning for warning in answer.body["warnings"])
    first = send(5, f"the first frame of the {name}", images.png(np.full((24, 24, 3), (220, 30, 30), np.uint8)))
    assert classes(answer) == pytest.approx(classes(first), abs=1e-6 if name != "GIF" else 0.02)


@proof
def test_16_bit_grey_is_scaled(send: Send, photo_pixels: NDArray[np.uint8]) -> None:
    grey = np.asarray(Image.fromarray(photo_pixels).convert("L"))
    deep = send(6, "PNG of 16-bit gray", images.sixteen_bit_png(grey.astype(np.uint16) * 257))
    assert classes(deep) == pytest.approx(classes(send(6, "PNG of 8-bit gray", images.png(Image.fromarray(grey)))))


@proof
@pytest.mark.parametrize("adobe", [True, False], ids=["with the marker", "without"])
def test_cmyk_gets_the_label_of_its_rgb_twin(send: Send, adobe: bool) -> None:
    pixels = images.corners(96, 64)
    twin = send(7, "RGB JPEG", images.jpeg(pixels, quality=95, subsampling=0))
    name = f"CMYK JPEG {'with' if adobe else 'without'} the Adobe marker"
    assert send(7, name, images.cmyk_jpeg(pixels, adobe=adobe)).body["label"] == twin.body["label"]


@proof
def test_eight_orientations_get_eight_equal_answers(send: Send) -> None:
    pixels = images.photo_like(96, 64)
    stored = {
        turn: images.png(Image.fromarray(images.turned(pixels, turn)), exif=images.exif(turn)) for turn in range(1, 9)
    }
    answers = [classes(send(8, f"EXIF orientation {turn}", photo)) for turn, photo in stored.items()]
    assert all(answer == answers[0] for answer in answers)


def see_through(mode: str) -> tuple[bytes, bytes]:
    """Build an image with transparency, and the same one over the documented background color."""
    rgba = Image.fromarray(images.photo_like(96, 64)).convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize((96, 64)))
    if mode == "P":
        flat = Image.fromarray(images.corners(96, 64)).quantize(8)
        flat.info["transparency"] = 0
        data = images.png(flat, transparency=0)
        rgba = flat.convert("RGBA")
    else:
        rgba = rgba.convert(mode)
        data = images.png(rgba)
        rgba = rgba.convert("RGBA")
    canvas = Image.new("RGBA", rgba.size, (*BACKGROUND, 255))
    return data, images.png(Image.alpha_composite(canvas, rgba).convert("RGB"))


@proof
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_one_colour(send: Send, mode: str) -> None:
    data, laid = see_through(mode)
    answers = classes(send(9, f"transparent {mode}", data)), classes(send(9, f"the {mode} laid over gray", laid))
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)


@proof
def test_nothing_and_one_pixel_are_refused(send: Send) -> None:
    send(10, "0 bytes", b"", expect=(400, "empty_file"))
    body, kind = form(b"")
    send(10, "a form with 0 bytes", body, kind=kind, expect=(400, "empty_file"))
    send(10, "1x1 pixel", images.zeros_png(1, 1), expect=(422, "too_small"))


@proof
def test_bytes_decide_and_what_can_be_no_photo_gets_a_hint(send: Send, photo_pixels: NDArray[np.uint8]) -> None:
    send(13, "PNG as image/jpeg", images.png(photo_pixels), kind="image/jpeg")
    send(13, "PNG as application/pdf", images.png(photo_pixels), kind="application/pdf")
    hints = [
        send(13, "JSON", b"{}", kind="application/json", expect=(415, "unsupported_media_type")),
        send(13, "text", b"hello", kind="text/plain", expect=(415, "unsupported_media_type")),
        send(13, "a form without a boundary", b"--x", kind="multipart/form-data", expect=(400, "bad_form")),
    ]
    assert all("curl -F photo=@pet.jpg" in hint.body["message"] for hint in hints)


@proof
def test_photos_of_phones_are_answered(send: Send, photo_pixels: NDArray[np.uint8]) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    # decoders are loaded on the first photo of their format and stay loaded
    send(14, "HEIC", images.encode(photo_pixels, "HEIF"), kind="image/heic", most_mb=60)
    send(14, "AVIF", images.encode(photo_pixels, "AVIF"), kind="image/avif", most_mb=60)


@proof
def test_a_heic_without_the_extra_names_what_to_install(bundle: Bundle, log: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pillow_heif'] = None\n")
    data = b"\0\0\0\x18ftypheic" + bytes(200)
    with serving(bundle.folder, log, PYTHONPATH=str(tmp_path)) as served:
        answer = served.predict(data)
        assert (answer.status, answer.code) == (415, "unsupported_format")
        assert "petmood[heic]" in answer.body["message"]


@proof
def test_odd_forms_are_refused_in_kind(send: Send, good: bytes) -> None:
    kind = "multipart/form-data; boundary=edge"
    nameless = b'--edge\r\nContent-Disposition: form-data; name="photo"\r\n\r\n' + good + b"\r\n--edge--\r\n"
    send(15, "a field without a file name", nameless, kind=kind, expect=(422, "unprocessable_content"))
    send(15, "two files", form(good, good)[0], kind=kind, expect=(422, "unprocessable_content"))
    send(15, "another field's name", form(good, field="image")[0], kind=kind, expect=(422, "unprocessable_content"))
    send(15, "2,000 parts", form(*[b"x"] * 2000)[0], kind=kind, expect=(400, "bad_form"))
    send(15, "no boundary", form(good)[0], kind="multipart/form-data", expect=(400, "bad_form"))
    send(15, "a form, truncated", form(good)[0][:-20], kind=kind, expect=(400, "bad_form"))
    send(15, "another boundary", form(good)[0], kind=f"{kind}s", expect=(400, "bad_form"))


@proof
@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_name_is_never_looked_at(send: Send, service: Served, good: bytes, name: str) -> None:
    body, kind = form(good, name=FILE_NAMES[name])
    send(16, f"file name: {name}", body, kind=kind)
    text = service.log.read_text("utf-8")
    assert FILE_NAMES[name].encode("utf-8", "ignore").decode()[:12] not in text


@proof
@pytest.mark.parametrize("name", METADATA)
def test_metadata_never_cost_more_than_the_image(send: Send, service: Served, name: str) -> None:
    data = metadata_bomb(name)
    status = service.predict(data).status
    assert status in {200, 422}
    expect = (200, "") if status == 200 else (422, "corrupt_image")
    send(17, name, data, expect=expect, most_mb=30 + 4 * len(data) / 1e6)


@proof
def test_a_batch_of_cut_images_takes_the_memory_of_one(service: Served, table: FaultTable) -> None:
    """Each error's traceback kept its decoded pixels until the batch was done: 2.4 GB for 16 photos."""
    cut = images.zeros_png(4000, 4000)[:-1000]
    one_mb = 4 * 16
    body, kind = form(*[cut] * 16)
    before_mb = service.memory_mb()
    service.forget_peak()
    answer = service.ask("/predict/batch", method="POST", body=body, headers={"Content-Type": kind})
    growth_mb = service.memory_mb(peak=True) - before_mb
    table.add(2, "batch of 16 cut PNGs of 4000x4000", answer.status, below_mb=5 * one_mb)
    assert {one["code"] for one in answer.body["results"]} == {"corrupt_image"}
    assert growth_mb < 5 * one_mb
    service.wait_for_memory(1.1 * before_mb + FLOOR_MB)


@proof
def test_refused_files_are_let_go(service: Served) -> None:
    """An error's traceback and frame formed a cycle that kept the photo until garbage collection."""
    before_mb = service.memory_mb()
    for _ in range(6):
        assert service.predict(b"\xff\xd8\xff" + bytes(25_000_000)).status == 422
    service.wait_for_memory(1.1 * before_mb + FLOOR_MB)

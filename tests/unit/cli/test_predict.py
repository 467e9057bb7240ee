"""`petmood predict`: files and folders, bundles, registries and services, text and JSON lines, exit status."""

import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.core.bundle import read, write
from petmood.core.image import Box
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import decode
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.load import load_bundle
from petmood.inference.onnx import OnnxSession
from petmood.presentation.answers import NEVER_CONFIDENT
from petmood.presentation.heat_map import heat_map_jpeg
from petmood.registry.uri import open_registry
from tests.support.images import jpeg, photo_like, png
from tests.support.networks import tiny_bundle
from tests.support.scripted_service import BODY, REFUSED, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with ten good photos, one bad one and one file that is no photo."""
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(photo_like(64, 48, seed=number)))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/half.JPG").write_bytes(jpeg(photo_like(64, 48))[:600])
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


def test_a_photo_is_answered_in_one_line(petmood: Callable[..., Any], small_bundle: Path, folder: Path) -> None:
    done = petmood("predict", small_bundle, folder / "3.jpg")
    assert (done.code, done.err) == (0, f"{NEVER_CONFIDENT}\n")
    (line,) = done.out.splitlines()
    assert line.startswith(f"{folder}/3.jpg: ")
    assert any(label in line for label in DEFAULT_CLASSES)
    assert "%" in line


def test_a_folder_is_answered_and_the_refused_photo_goes_to_stderr_with_code_1(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path
) -> None:
    done = petmood("predict", small_bundle, folder)
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [f"{folder}/{n}.jpg" for n in range(10)]
    line, *rest = done.err.splitlines()
    assert line.startswith(f"{folder}/sub/half.JPG: corrupt_image: ")
    assert rest == ["11 photos: 0 confident, 10 not confident, 1 rejected.", NEVER_CONFIDENT]


def test_every_line_of_json_is_an_answer_or_a_reason(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path
) -> None:
    done = petmood("predict", small_bundle, folder, folder / "notes.txt", "--json")
    assert (done.code, done.err) == (1, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(lines) == 12
    answers = [PredictionResponse.model_validate(line) for line in lines if "label" in line]
    reasons = [ErrorResponse.model_validate(line) for line in lines if "code" in line]
    assert [reason.code for reason in reasons] == ["corrupt_image", "unsupported_format"]
    assert len(answers) == 10
    assert answers[0].model.name == "first"
    assert sum(answers[0].probabilities.values()) == pytest.approx(1)
    assert answers[0].label in answers[0].prediction_set


def test_two_threads_answer_like_one(petmood: Callable[..., Any], small_bundle: Path, folder: Path) -> None:
    one, two = (petmood("predict", small_bundle, folder / "1.jpg", "--threads", n).out for n in (1, 2))
    assert one == two


@pytest.mark.parametrize("threads", ["0", "-1", "257", "two"])
def test_a_number_of_threads_out_of_range_is_refused(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, threads: str
) -> None:
    done = petmood("predict", small_bundle, folder / "1.jpg", "--threads", threads)
    assert (done.code, done.out) == (2, "")
    assert "Invalid value for '--threads'" in done.err


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_are_refused_with_a_service(petmood: Callable[..., Any], folder: Path, threads: str) -> None:
    done = petmood("predict", "http://me:secret@127.0.0.1:9", folder / "1.jpg", "--threads", threads)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "petmood: --threads is not allowed with a service (http://127.0.0.1:9), which has its own. Leave it out.\n"
    )


@pytest.mark.parametrize("place", ["nowhere.jpg", "empty"])
def test_no_photo_at_all_is_one_line_and_code_2(
    petmood: Callable[..., Any], small_bundle: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = petmood("predict", small_bundle, tmp_path / place)
    assert (done.code, done.out) == (2, "")
    assert place in done.err
    assert done.err.count("\n") == 1


def test_a_version_of_a_registry_predicts_as_its_bundle(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PETMOOD_REGISTRY", str(tmp_path / "registry"))
    open_registry(str(tmp_path / "registry")).push(small_bundle, by="test")
    from_registry = petmood("predict", "registry://petmood@1", folder / "1.jpg", "--json")
    assert (from_registry.code, from_registry.err) == (0, "")
    assert from_registry.out == petmood("predict", small_bundle, folder / "1.jpg", "--json").out


def test_a_service_predicts_in_place_of_a_bundle(
    petmood: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_TOKEN", "3f9ac2d871be40556ad1")
    results = {"results": [BODY.model_dump(), REFUSED], "request_id": "r-1"}
    with serving((200, results)) as (address, script):
        done = petmood("predict", address, folder / "1.jpg", folder / "2.jpg", "--json")
    assert (done.code, done.err) == (1, "")
    good, bad = (json.loads(line) for line in done.out.splitlines())
    assert (good["label"], good["request_id"], good["photo"]) == ("happy", "r-1", f"{folder}/1.jpg")
    assert (bad["code"], bad["request_id"], bad["photo"]) == ("corrupt_image", "r", f"{folder}/2.jpg")
    assert [(asked["path"], asked["auth"]) for asked in script.asked] == [
        ("/predict/batch", "Bearer 3f9ac2d871be40556ad1")
    ]


@pytest.mark.parametrize(("address", "shown"), [("ftp://x", "ftp://x"), ("s3://me:secret@b/c", "s3://b/c")])
def test_an_address_of_another_kind_is_refused_and_the_allowed_kinds_are_named(
    petmood: Callable[..., Any], folder: Path, address: str, shown: str
) -> None:
    done = petmood("predict", address, folder / "1.jpg")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "petmood: Expected a bundle's folder, registry://MODEL@VERSION, or a service such as http://127.0.0.1:8000, "
        f"got '{shown}'.\n"
    )


def test_a_service_that_is_away_is_one_line_and_code_2(petmood: Callable[..., Any], folder: Path) -> None:
    done = petmood("predict", "http://127.0.0.1:9", folder / "1.jpg")
    assert (done.code, done.out) == (2, "")
    assert "http://127.0.0.1:9 can't be reached" in done.err
    assert done.err.count("\n") == 1


# --- odd names and places of photos -----------------------------------------------------------------------------------

PHOTO = jpeg(photo_like(64, 48))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_name_that_is_no_utf_8_is_answered_and_escaped_in_every_encoding(
    small_bundle: Path, tmp_path: Path, encoding: str
) -> None:
    names = [b"a.jpg", b"caf\xe9.jpg", "kat\u017ee \U0001f408.jpg".encode(), b"z.jpg"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(PHOTO)
    (tmp_path / os.fsdecode(b"half\xe9.jpg")).write_bytes(PHOTO[:500])
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    for options in (["--json"], []):
        command = [sys.executable, "-m", "petmood", "predict", str(small_bundle), *options, str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 1, done.stderr
        assert b"Traceback" not in done.stderr
        lines = done.stdout.decode(
            "utf-8" if encoding == "ascii" else encoding
        ).splitlines()  # click takes UTF-8 for ASCII
        if options:
            answers = [json.loads(line) for line in lines]
            assert len(answers) == 5
            assert [one["photo"] for one in answers if one.get("code")] == [rf"{tmp_path}/half\xe9.jpg"]
            assert rf"{tmp_path}/caf\xe9.jpg" in [one["photo"] for one in answers]
        else:
            assert len(lines) == 4


@pytest.mark.parametrize("place", ["-", "/dev/stdin"])
def test_a_photo_comes_from_a_pipe(small_bundle: Path, place: str) -> None:
    command = [sys.executable, "-m", "petmood", "predict", str(small_bundle), place, "--json"]
    done = subprocess.run(command, input=PHOTO, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["photo"] == place


@pytest.mark.posix
def test_a_photo_comes_from_a_process_substitution(small_bundle: Path, folder: Path) -> None:
    script = f"{sys.executable} -m petmood predict {small_bundle} <(cat {folder}/1.jpg) {folder}/2.jpg"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    counts = "2 photos: 0 confident, 2 not confident, 0 rejected."
    assert (done.returncode, done.stderr) == (0, f"{counts}\n{NEVER_CONFIDENT}\n")
    assert done.stdout.startswith("/dev/fd/")
    assert len(done.stdout.splitlines()) == 2


def test_standard_input_can_be_named_once(petmood: Callable[..., Any], small_bundle: Path) -> None:
    done = petmood("predict", small_bundle, "-", "-")
    assert (done.code, done.out) == (2, "")
    assert done.err == ("petmood: Expected '-' (standard input) once, got it 2 times. Give the photos' paths.\n")


def test_paths_without_a_photo_don_t_stop_the_others_and_the_code_is_1(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path
) -> None:
    (folder / "empty").mkdir()
    asked = (folder / "none.jpg", folder / "1.jpg", folder / "empty", folder / "2.jpg")
    done = petmood("predict", small_bundle, *asked)
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [f"{folder}/1.jpg", f"{folder}/2.jpg"]
    assert done.err.splitlines() == [
        f"{folder}/none.jpg: bad_photo: No such photo or folder: {folder}/none.jpg. Check the path.",
        f"{folder}/empty: bad_photo: No photos in {folder}/empty.",
        "4 photos: 0 confident, 2 not confident, 2 rejected.",
        NEVER_CONFIDENT,
    ]
    lines = [json.loads(line) for line in petmood("predict", small_bundle, *asked, "--json").out.splitlines()]
    assert ["code" in line for line in lines] == [True, False, True, False]


def test_a_practice_model_says_so_once_on_stderr_and_in_every_line_of_json(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made, bundle = read(small_bundle), tmp_path_factory.mktemp("practice") / "bundle"
    files = {name: (small_bundle / name).read_bytes() for name in made.files}
    write(bundle, made.model_copy(update={"data_kind": "drawings"}), files)
    done = petmood("predict", bundle, folder / "1.jpg", folder / "2.jpg")
    counts = "2 photos: 0 confident, 2 not confident, 0 rejected."
    assert (done.code, done.err) == (0, f"{counts}\n{PRACTICE_MODEL}\n{NEVER_CONFIDENT}\n")
    assert "Practice" not in done.out
    done = petmood("predict", bundle, folder / "1.jpg", folder / "2.jpg", "--json")
    assert done.err == ""
    assert [json.loads(line)["warnings"] for line in done.out.splitlines()] == [[PRACTICE_MODEL]] * 2
    done = petmood("predict", bundle, folder / "1.jpg", "--csv")
    assert done.err == f"{PRACTICE_MODEL}\n{NEVER_CONFIDENT}\n"
    assert [row["warnings"] for row in csv.DictReader(io.StringIO(done.out))] == [PRACTICE_MODEL]


@pytest.fixture
def mixed(small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that is confident of half of the photos."""
    answers = load_bundle(small_bundle).predict_many(sorted(folder.glob("*.jpg")))
    middle = statistics.median(one.probability for one in answers if isinstance(one, Prediction))
    made, bundle = read(small_bundle), tmp_path_factory.mktemp("mixed") / "bundle"
    files = {name: (small_bundle / name).read_bytes() for name in made.files}
    write(bundle, made.model_copy(update={"confidence_threshold": middle}), files)
    return bundle


def test_a_table_has_a_row_for_every_photo_and_quotes_what_needs_it(
    petmood: Callable[..., Any], mixed: Path, folder: Path
) -> None:
    (folder / "5.jpg").rename(folder / 'my "5", big.jpg')
    done = petmood("predict", mixed, folder, "--csv")
    assert (done.code, done.err) == (1, "")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    answers = [json.loads(line) for line in petmood("predict", mixed, folder, "--json").out.splitlines()]
    assert list(rows[0]) == [
        "photo",
        "label",
        "probability",
        "confident",
        "prediction_set",
        "warnings",
        "code",
        "message",
        "in_domain",
        "domain_warning",
    ]
    assert [row["photo"] for row in rows] == [one["photo"] for one in answers]
    assert f'{folder}/my "5", big.jpg' in [row["photo"] for row in rows]
    for row, one in zip(rows, answers, strict=True):
        if "code" in one:
            assert (row["code"], row["message"], row["label"]) == (one["code"], one["message"], "")
        else:
            assert (row["label"], row["confident"], row["code"]) == (one["label"], str(one["confident"]).lower(), "")
            assert float(row["probability"]) == pytest.approx(one["probability"], abs=5e-5)
            assert row["prediction_set"].split("|") == one["prediction_set"]


def test_only_some_answers_are_printed_but_all_are_counted(
    petmood: Callable[..., Any], mixed: Path, folder: Path
) -> None:
    answers = [json.loads(line) for line in petmood("predict", mixed, folder, "--json").out.splitlines()]
    wanted = {
        "confident": [one["photo"] for one in answers if one.get("confident") is True],
        "not-confident": [one["photo"] for one in answers if one.get("confident") is False],
        "rejected": [one["photo"] for one in answers if "code" in one],
    }
    assert all(wanted.values())
    for kind, photos in wanted.items():
        lines = petmood("predict", mixed, folder, "--json", "--only", kind).out.splitlines()
        assert [json.loads(line)["photo"] for line in lines] == photos
    done = petmood("predict", mixed, folder, "--only", "not-confident")
    sizes = {kind: len(photos) for kind, photos in wanted.items()}
    assert done.code == 1
    assert done.err == (
        f"11 photos: {sizes['confident']} confident, {sizes['not-confident']} not confident, 1 rejected.\n"
    )
    assert len(done.out.splitlines()) == sizes["not-confident"]


@pytest.fixture
def with_cup() -> Iterator[str]:
    """Yield the address of a service whose model finds no pet in the second photo, and rejects the fourth."""
    known = {"in_domain": True, "novelty": 0.4, "animal_score": 0.98}
    pet, unsure = BODY.model_copy(update=known), BODY.model_copy(update={**known, "confident": False})
    cup: dict[str, object] = {
        "label": None,
        "confident": False,
        "prediction_set": [],
        "in_domain": False,
        "domain_warning": "no_animal",
    }
    bodies = [pet, BODY.model_copy(update={**cup, "novelty": 2.5, "animal_score": 0.02}), unsure]
    with serving((200, {"results": [*(one.model_dump() for one in bodies), REFUSED], "request_id": "r"})) as (at, _):
        yield at


def four(folder: Path) -> list[Path]:
    """Return the photos that the service with the cup is sent."""
    return [folder / f"{number}.jpg" for number in range(4)]


def test_a_photo_without_a_pet_is_a_result_without_a_label_and_is_counted_by_itself(
    petmood: Callable[..., Any], with_cup: str, folder: Path
) -> None:
    done = petmood("predict", with_cup, *four(folder))
    assert done.out.splitlines() == [
        f"{folder}/0.jpg: happy 90%",
        (
            f"{folder}/1.jpg: no pet found: The model found no animal in this photo, so it gives no result. "
            "If a pet is in it, go closer."
        ),
        f"{folder}/2.jpg: not sure, probably happy 90%",
    ]
    assert done.err.splitlines()[-1] == "4 photos: 1 confident, 1 not confident, 1 out of domain, 1 rejected."
    assert done.code == 1  # for the rejected photo


def test_a_photo_without_a_pet_alone_ends_with_code_0(petmood: Callable[..., Any], folder: Path) -> None:
    cup = BODY.model_copy(update={"label": None, "confident": False, "domain_warning": "unfamiliar", "novelty": 2.0})
    with serving((200, {"results": [cup.model_dump()], "request_id": "r"})) as (address, _):
        done = petmood("predict", address, folder / "1.jpg")
    assert (done.code, done.err) == (0, "")
    assert "unfamiliar photo" in done.out


@pytest.mark.parametrize(
    ("kind", "number"), [("confident", 0), ("out-of-domain", 1), ("not-confident", 2), ("rejected", 3)]
)
def test_photos_of_one_kind_can_be_printed_alone_with_a_null_for_the_missing_label(
    petmood: Callable[..., Any], with_cup: str, folder: Path, kind: str, number: int
) -> None:
    done = petmood("predict", with_cup, *four(folder), "--json", "--only", kind)
    (line,) = [json.loads(line) for line in done.out.splitlines()]
    assert line["photo"] == f"{folder}/{number}.jpg"
    assert line.get("label", "rejected") == {0: "happy", 1: None, 2: "happy", 3: "rejected"}[number]
    assert line.get("in_domain") == {0: True, 1: False, 2: True, 3: None}[number]
    assert line.get("domain_warning") == ("no_animal" if number == 1 else None)


def test_a_table_says_which_photos_are_out_of_the_domain(
    petmood: Callable[..., Any], with_cup: str, folder: Path
) -> None:
    rows = list(csv.DictReader(io.StringIO(petmood("predict", with_cup, *four(folder), "--csv").out)))
    assert [(row["label"], row["in_domain"], row["domain_warning"]) for row in rows] == [
        ("happy", "true", ""),
        ("", "false", "no_animal"),
        ("happy", "true", ""),
        ("", "", ""),
    ]


def test_two_formats_at_once_are_refused(petmood: Callable[..., Any], mixed: Path, folder: Path) -> None:
    done = petmood("predict", mixed, folder, "--csv", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err == "petmood: Expected --json or --csv, got both. Leave one out.\n"


# --- the page of --html -----------------------------------------------------------------------------------------------


def names_on(page: Path) -> list[str]:
    """Return the names on the cards of a page, sorted."""
    return sorted(re.findall(r'<p class="name">(.*?)</p>', page.read_text("utf-8")))


def test_a_page_shows_every_photo_the_counts_the_model_and_the_notices(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "0.jpg").rename(folder / os.fsdecode(b"<b>caf\xe9.jpg"))
    page = tmp_path_factory.mktemp("pages") / "new" / "sheet.html"
    done = petmood("predict", small_bundle, folder, "--html", page)
    counts = "11 photos: 0 confident, 10 not confident, 1 rejected."
    assert done.code == 1
    assert done.err.splitlines()[1:] == [counts, NEVER_CONFIDENT, f"Page: {page}"]
    assert names_on(page) == sorted([*(f"{n}.jpg" for n in range(1, 10)), r"&lt;b&gt;caf\xe9.jpg", "sub/half.JPG"])
    text = page.read_text("utf-8")
    assert f"<p>{counts}</p>" in text
    assert f"<dd>first, version {read(small_bundle).version}</dd>" in text
    assert f"<dd>{folder}</dd>" in text
    assert text.count("This model is never confident") == 1
    assert text.count("<img") == 10
    assert "truncated or corrupt file" in text


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_a_page_leaves_what_is_printed_as_it_is(
    petmood: Callable[..., Any], mixed: Path, folder: Path, option: str
) -> None:
    alone = petmood("predict", mixed, folder, option)
    done = petmood("predict", mixed, folder, option, "--html", folder / "sheet.html")
    assert (done.code, done.out, done.err) == (alone.code, alone.out, alone.err)
    assert len(names_on(folder / "sheet.html")) == 11


@pytest.mark.parametrize("kind", ["confident", "not-confident", "rejected", "out-of-domain"])
def test_a_page_shows_what_is_printed_and_counts_all(
    petmood: Callable[..., Any], mixed: Path, folder: Path, kind: str
) -> None:
    page = folder / "sheet.html"
    done = petmood("predict", mixed, folder, "--only", kind, "--json", "--html", page)
    printed = [json.loads(line)["photo"] for line in done.out.splitlines()]
    assert names_on(page) == sorted(str(Path(name).relative_to(folder)) for name in printed)
    words = kind.replace("-", " ")
    assert f"1 rejected. This page shows the {words} ones alone.</p>" in page.read_text()


def test_a_page_of_a_service_has_its_answers_and_thumbnails(
    petmood: Callable[..., Any], with_cup: str, folder: Path
) -> None:
    petmood("predict", with_cup, *four(folder), "--html", folder / "sheet.html")
    text = (folder / "sheet.html").read_text()
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert titles == [
        "Confident: happy (1)",
        "Not confident: best guess happy (1)",
        "Out of domain (1)",
        "Rejected (1)",
    ]
    assert text.count("<img") == 4
    assert f"<dd>{BODY.model.name}, version {BODY.model.version}</dd>" in text


@pytest.mark.posix
def test_photos_that_can_be_read_once_are_on_the_page(small_bundle: Path, folder: Path) -> None:
    asked = f"- <(cat {folder}/1.jpg) {folder}/2.jpg --html {folder}/sheet.html"
    script = f"cat {folder}/3.jpg | {sys.executable} -m petmood predict {small_bundle} {asked}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (folder / "sheet.html").read_text()
    assert text.count("<img") == 3
    assert '<p class="name">standard input</p>' in text


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("1.jpg", "Expected a file that ends in .html after --html, got {at}. Give the page's name there."),
        ("sub.html", "Expected a file to write, got the folder {at}. Give the name of a file in it."),
        (
            "1.jpg/sheet.html",
            "{at} can't be written: {folder}/1.jpg is not a writable folder. Choose another folder.",
        ),
    ],
)
def test_a_page_that_can_t_be_written_is_refused_before_a_photo_is_predicted(
    petmood: Callable[..., Any], folder: Path, place: str, message: str
) -> None:
    (folder / "sub.html").mkdir()
    before = (folder / "1.jpg").read_bytes()
    done = petmood("predict", folder / "no bundle", folder / "2.jpg", "--html", folder / place)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"petmood: {message.format(at=folder / place, folder=folder)}\n"
    assert (folder / "1.jpg").read_bytes() == before


def test_a_service_that_is_away_leaves_the_old_page(petmood: Callable[..., Any], folder: Path) -> None:
    (folder / "sheet.html").write_text("old")
    done = petmood("predict", "http://127.0.0.1:9", folder / "1.jpg", "--html", folder / "sheet.html")
    assert done.code == 2
    assert (folder / "sheet.html").read_text() == "old"


# --- heat maps --------------------------------------------------------------------------------------------------------


def test_a_heat_map_is_written_for_each_photo_that_is_shown(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "sub/whole.png").write_bytes(png(photo_like(1200, 300)))
    target = tmp_path_factory.mktemp("maps") / "why"
    done = petmood("predict", small_bundle, folder, "--explain", target)
    written = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert written == [*(f"{n}.jpg.jpg" for n in range(10)), "sub/whole.png.jpg"]
    assert done.code == 1  # sub/half.JPG
    assert done.err.splitlines()[-1] == f"Heat maps: 11 in {target}"
    with Image.open(target / "sub/whole.png.jpg") as image:
        assert image.size == (800, 200)
    explanation = load_bundle(small_bundle).explain(folder / "3.jpg")
    pixels = decode(folder / "3.jpg").pixels
    values = explanation.maps[explanation.prediction.best_guess]
    assert (target / "3.jpg.jpg").read_bytes() == heat_map_jpeg(pixels, values, explanation.box, side_px=800)


@pytest.mark.parametrize(
    ("method", "only", "more"), [("hirescam", (), 0), ("hirescam", ("--only", "rejected"), 0), ("occlusion", (), 259)]
)
def test_maps_of_the_network_take_no_more_passes_than_predictions(
    petmood: Callable[..., Any],
    small_bundle: Path,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    only: tuple[str, ...],
    more: int,
) -> None:
    """Occlusion takes 25 more for the first of ten photos, and 26 for the others."""
    run, images = OnnxSession.run, [0]
    mapped = tiny_bundle(tmp_path_factory.getbasetemp() / "tiny-bundle").folder
    bundle = mapped if method == "hirescam" else small_bundle

    def counted(
        session: OnnxSession, pixels: NDArray[np.uint8], *, only: Sequence[str] = ()
    ) -> dict[str, NDArray[np.float32]]:
        images[-1] += len(pixels)
        return run(session, pixels, only=only)

    monkeypatch.setattr(OnnxSession, "run", counted)
    plain = petmood("predict", bundle, folder, "--json", *only)
    images.append(0)
    target = tmp_path_factory.mktemp("maps")
    explained = petmood("predict", bundle, folder, "--json", "--explain", target, *only)
    assert images[-1] - images[-2] == more
    assert explained.out == plain.out
    assert len(list(target.glob("*.jpg"))) == (0 if only else 10)


def test_with_only_no_heat_map_of_the_others_is_written(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("maps")
    done = petmood("predict", small_bundle, folder, "--explain", target, "--only", "confident", "--csv")
    assert "Heat maps" not in done.err
    assert list(target.rglob("*")) == []


def test_heat_maps_of_a_service_are_those_of_its_bundle(
    petmood: Callable[..., Any], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("maps")
    maps = {label: [[float(label == BODY.label), 0.0], [0.0, 0.0]] for label in BODY.probabilities}
    why = {"prediction": BODY.model_dump(), "method": "hirescam", "maps": maps, "box": [0.0, 0.0, 1.0, 1.0]}
    predicted = {"results": [BODY.model_dump()], "request_id": "r"}
    with serving((200, predicted), (200, why)) as (address, script):
        petmood("predict", address, folder / "1.jpg", "--explain", target)
    assert [asked["path"] for asked in script.asked] == ["/predict/batch", "/explain"]
    values = np.array(maps[str(BODY.label)], np.float32)
    expected = heat_map_jpeg(decode(folder / "1.jpg").pixels, values, Box(0, 0, 1, 1), side_px=800)
    assert (target / "1.jpg.jpg").read_bytes() == expected


@pytest.mark.parametrize("place", [".", "maps", "sub/maps"])
def test_heat_maps_among_the_photos_would_be_predicted_next_time_and_are_refused(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, place: str
) -> None:
    done = petmood("predict", small_bundle, folder, "--explain", folder / place)
    assert done.code == 2
    said = (
        f"petmood: Expected a folder without photos after --explain, got {folder / place}, which has {folder} or is in"
    )
    assert done.err == f"{said} it. Its files would be predicted as photos next time.\n"
    assert not (folder / "maps").exists()


def test_heat_maps_where_a_link_among_the_photos_leads_are_refused(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    originals = tmp_path_factory.mktemp("originals")
    photo = originals / "1.jpg"
    (folder / "1.jpg").rename(photo)
    (folder / "1.jpg").symlink_to(photo)
    done = petmood("predict", small_bundle, folder, "--explain", originals)
    assert done.code == 2
    assert f"got {originals}, which has {folder / '1.jpg'} or is in it." in done.err
    assert [path.name for path in originals.iterdir()] == ["1.jpg"]


def test_a_photo_elsewhere_never_leads_out_of_the_folder(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos by relative and absolute paths have no common folder; their names are whole paths then."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    petmood("predict", small_bundle, folder / "1.jpg", Path("../2.jpg"), "--explain", "why")
    written = sorted(str(path) for path in Path("why").rglob("*.jpg"))
    below = str(folder / "1.jpg").lstrip("/")
    assert written == sorted([f"why/{below}.jpg", "why/2.jpg.jpg"])
    assert not (folder / "1.jpg.jpg").exists()


def test_a_photo_of_the_folder_of_heat_maps_is_never_replaced(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path
) -> None:
    (folder / "1.jpg.jpg").write_bytes(b"an original")
    done = petmood("predict", small_bundle, folder / "1.jpg", "--explain", folder)
    assert done.code == 2
    assert (folder / "1.jpg.jpg").read_bytes() == b"an original"


def test_photos_of_equal_names_get_heat_maps_of_their_own(
    petmood: Callable[..., Any], small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, place in enumerate(("x", "work/x")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.jpg").write_bytes(jpeg(photo_like(64, 48, seed=number)))
    monkeypatch.chdir(tmp_path / "work")
    done = petmood("predict", small_bundle, Path("../x/a.jpg"), Path("x/a.jpg"), "--explain", "why")
    assert done.err.splitlines()[-1] == "Heat maps: 2 in why"
    assert len({path.read_bytes() for path in Path("why").rglob("*.jpg")}) == 2


def test_a_heat_map_that_can_not_be_made_does_not_stop_the_others(
    petmood: Callable[..., Any], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("maps")
    maps = {label: [[1.0]] for label in BODY.probabilities}
    why = {"prediction": BODY.model_dump(), "method": "hirescam", "maps": maps, "box": [0.0, 0.0, 1.0, 1.0]}
    other = {**why, "maps": {"relaxed": [[1.0]]}}
    broken = (500, {"code": "internal", "message": "The model failed.", "request_id": "r"})
    predicted = {"results": [BODY.model_dump()] * 3, "request_id": "r"}
    with serving((200, predicted), broken, (200, other), (200, why)) as (address, _):
        done = petmood("predict", address, *(folder / f"{n}.jpg" for n in (1, 2, 3)), "--explain", target)
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert [path.name for path in target.iterdir()] == ["3.jpg.jpg"]
    assert f"Heat maps: 1 in {target}; 2 could not be made, the first since: The model failed." in done.err


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_heat_map_that_is_missing_is_reported_beside_lines_for_programs(
    petmood: Callable[..., Any], folder: Path, tmp_path_factory: pytest.TempPathFactory, form: str
) -> None:
    target = tmp_path_factory.mktemp("maps")
    broken = (500, {"code": "internal", "message": "The model failed.", "request_id": "r"})
    predicted = {"results": [BODY.model_dump()], "request_id": "r"}
    with serving((200, predicted), broken) as (address, _):
        done = petmood("predict", address, folder / "1.jpg", "--explain", target, form)
    assert done.code == 1
    assert done.err == f"Heat maps: 0 in {target}; 1 could not be made, the first since: The model failed.\n"


def test_a_photo_from_standard_input_is_explained_in_the_current_folder(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with (folder / "1.jpg").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        done = petmood("predict", small_bundle, "-", "--explain", ".")
    assert done.code == 0, done.err
    assert (folder / "standard input.jpg").is_file()


def test_heat_maps_beside_a_link_to_a_photo_are_refused_too(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    links = tmp_path_factory.mktemp("links")
    (links / "1.jpg").symlink_to(folder / "1.jpg")
    (links / "1.jpg.jpg").write_bytes(b"an original")
    for place in (links, folder):
        done = petmood("predict", small_bundle, links / "1.jpg", "--explain", place)
        assert (done.code, done.out) == (2, "")
        assert f"Expected a folder without photos after --explain, got {place}" in done.err
    assert (links / "1.jpg.jpg").read_bytes() == b"an original"


def test_a_link_in_a_circle_is_a_missing_photo_and_no_folder_for_heat_maps(
    petmood: Callable[..., Any], small_bundle: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target, circle = tmp_path_factory.mktemp("maps"), folder / "circle.jpg"
    circle.symlink_to(circle.name)
    done = petmood("predict", small_bundle, circle, "--explain", target)
    assert (done.code, done.err) == (2, f"petmood: No such photo or folder: {circle}. Check the path.\n")
    done = petmood("predict", small_bundle, folder / "1.jpg", "--explain", circle)
    broken = "contains a broken link. Mount the disk that it points to, or choose another folder."
    assert (done.code, done.err) == (2, f"petmood: {circle} {broken}\n")

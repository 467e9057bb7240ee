"""`petmood predict --output`: shards, their summary and table, resumption, shares of a job and refusals."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from petmood.core.bundle import Bundle
from petmood.inference.shard_plan import find_plan
from petmood.inference.shards import Attempt, predict_shard
from tests.support.images import jpeg, photo_like

Petmood = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with ten good photos and a broken one."""
    (tmp_path / "photos").mkdir()
    for number in range(11):
        data = jpeg(photo_like(64, 48, seed=number))
        (tmp_path / f"photos/{number:02d}.jpg").write_bytes(data[: 600 if number == 9 else None])
    return tmp_path / "photos"


@pytest.fixture
def out(petmood: Petmood, shared_bundle: Bundle, folder: Path, tmp_path: Path) -> Path:
    """Return a folder with all three shards, predicted in this process: each command starts another."""
    found = tmp_path / "out"
    arguments = ("predict", shared_bundle.folder, folder, "--output", found, "--shard-size", "4")
    assert petmood(*arguments, "--shard-range", "0:0").code == 0
    for number in range(3):
        predict_shard(found, Attempt(number))
    return found


def predict(petmood: Petmood, bundle: Bundle, photos: Path, out: Path, *options: object) -> Any:  # noqa: ANN401 - what a command left
    """Run the command that the shards of ``out`` were begun with, and further options."""
    return petmood("predict", bundle.folder, photos, "--output", out, "--shard-size", "4", *options)


def lines(out: Path) -> list[dict[str, Any]]:
    """Return the results of all shards."""
    return [json.loads(line) for path in sorted(out.glob("shard-*")) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.spawns
def test_a_folder_is_predicted_in_shards_by_processes(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, tmp_path: Path
) -> None:
    done = predict(petmood, shared_bundle, folder, tmp_path / "out", "--processes", "1")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("11 photos: ")
    assert ", 1 rejected." in done.err
    alone = petmood("predict", shared_bundle.folder, folder, "--json")
    assert {line["photo"]: line.get("label") for line in lines(tmp_path / "out")} == {
        line["photo"]: line.get("label") for line in map(json.loads, alone.out.splitlines())
    }


def test_the_summary_counts_answers_labels_and_reasons(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    done = predict(petmood, shared_bundle, folder, out)
    assert done.code == 0
    assert "3 of 3 shards are there. Photos that came after its list was made are not in it." in done.err
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert (summary["photos"], summary["shards"], summary["rejected"]) == (11, 3, {"corrupt_image": 1})
    assert sum(summary["answers"].values()) == 11
    assert sum(summary["labels"].values()) == 10
    assert summary["bundle"]["sha256"] == shared_bundle.sha256
    assert {path: path.stat().st_mtime_ns for path in out.glob("shard-*")} == before


def test_a_photo_that_comes_later_is_not_in_the_shards(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path
) -> None:
    (folder / "00a.jpg").write_bytes(jpeg(photo_like(64, 48, seed=99)))
    assert predict(petmood, shared_bundle, folder, out).code == 0
    assert len(lines(out)) == 11


def test_the_table_is_that_of_a_prediction_without_shards(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path, tmp_path: Path
) -> None:
    assert predict(petmood, shared_bundle, folder, out, "--table", tmp_path / "all.csv").code == 0
    alone = petmood("predict", shared_bundle.folder, folder, "--csv")
    assert (tmp_path / "all.csv").read_text("utf-8") == alone.out
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text("utf-8").splitlines()))
    assert [Path(row["photo"]).name for row in rows] == [f"{number:02d}.jpg" for number in range(11)]


def test_a_parquet_table_has_the_fields_of_the_lines(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path, tmp_path: Path
) -> None:
    assert predict(petmood, shared_bundle, folder, out, "--table", tmp_path / "all.parquet").code == 0
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    for row, line in zip(rows, lines(out), strict=True):
        assert {name: row[name] for name in line if name in row} == {
            name: value for name, value in line.items() if name in row
        }
    assert rows[9]["code"] == "corrupt_image"
    assert rows[0]["probabilities"] == lines(out)[0]["probabilities"]


def test_a_task_of_a_job_does_its_share(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "shard-00000-of-00003.jsonl").unlink()
    monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", "1")
    monkeypatch.setenv("CLOUD_RUN_TASK_COUNT", "2")
    done = predict(petmood, shared_bundle, folder, out)
    assert done.code == 0
    assert done.err.splitlines()[-1] == f"{out}: 2 of 3 shards are there."
    assert not (out / "summary.json").exists()


def test_a_list_of_paths_is_predicted(petmood: Petmood, shared_bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder}/03.jpg\r\n\n{folder}/gone.jpg\n", "utf-8")
    done = petmood("predict", shared_bundle.folder, "--files-from", listed, "--json")
    assert done.code == 1
    first, second = map(json.loads, done.out.splitlines())
    assert (first["photo"], second["code"]) == (f"{folder}/03.jpg", "bad_photo")


def test_a_list_that_was_changed_needs_another_output(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder}/03.jpg\n", "utf-8")
    arguments = ("predict", shared_bundle.folder, "--files-from", listed, "--output", tmp_path / "out")
    assert petmood(*arguments, "--shard-range", "0:0").code == 0
    listed.write_text(f"{folder}/04.jpg\n", "utf-8")
    done = petmood(*arguments)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "other photos than those given. Choose another --output." in done.err


def test_another_bundle_needs_another_output(petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path) -> None:
    text = (out / "manifest.json").read_text("utf-8")
    (out / "manifest.json").write_text(text.replace(shared_bundle.sha256, "0" * 64), "utf-8")
    done = predict(petmood, shared_bundle, folder, out)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "has predictions of demo, version" in done.err
    assert "Choose another --output." in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard-range", "3:"), "Expected a --shard-range within 0:3"),
        (("--shard-range", "3"), "Expected START:STOP"),
        (("--shard-size", "5"), "has shards of 4 photos, got 5"),
        (("--json",), "--json is not allowed with --output"),
        (("--table", "all.txt"), "Expected a file that ends in .csv or .parquet"),
        (("--ray", "auto", "--processes", "2"), "Expected --ray or --processes"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(
    petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path, options: tuple[str, ...], message: str
) -> None:
    done = predict(petmood, shared_bundle, folder, out, *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bundle", "photo.jpg", "--processes", "2"), "--processes needs --output"),
        (("bundle",), "Expected photos, folders of them or --files-from FILE"),
        (("bundle", "-", "--output", "out"), "(standard input) is not allowed with --output"),
        (("http://127.0.0.1:9", "photo.jpg", "--output", "out"), "got a service"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(
    petmood: Petmood, arguments: tuple[str, ...], message: str
) -> None:
    done = petmood("predict", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err


def test_a_changed_list_of_photos_is_refused(petmood: Petmood, shared_bundle: Bundle, folder: Path, out: Path) -> None:
    plan = find_plan(out)
    assert plan is not None
    (out / "photos/00000.jsonl").write_text("", "utf-8")
    done = predict(petmood, shared_bundle, folder, out)
    assert (done.code, done.err.count("\n")) == (2, 1)

"""Feedback on a real service: several processes, kept photos, PostgreSQL, and an import of what is exported."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from petmood.cli.app import petmood
from petmood.core.bundle import Bundle
from petmood.data.index import read_index
from petmood.monitoring.feedback.records import Feedback
from petmood.monitoring.feedback.store import FeedbackStore, read_feedback
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.images import jpeg, photo_like
from tests.support.logged import START_US, row
from tests.support.postgres import Server, postgres_server
from tests.support.served import serving

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Return a server of PostgreSQL that only this module uses."""
    with postgres_server() as found:
        yield found


def test_feedback_directly_after_an_answer_reaches_whichever_process_gets_it_and_is_imported(
    bundle: Bundle, log: Path, tmp_path: Path
) -> None:
    address = f"sqlite:///{tmp_path}/log.db"
    given = {"PETMOOD_PREDICTION_LOG_SPOOL": str(tmp_path / "spool"), "PETMOOD_FEEDBACK_PER_MINUTE": "0"}
    options = ["--port", "0", "--workers", "2", "--prediction-log", address, "--keep-photos", "30"]
    with serving(bundle.folder, log, options=options, given=given) as served:
        for number in range(12):
            photo = jpeg(photo_like(160 + 8 * number, 120, seed=number))
            answer = served.predict(photo, **{"X-Request-Id": f"{number:04}"})
            assert answer.status == 200
            label = bundle.manifest.classes[number % 2]
            body = json.dumps({"request_id": f"{number:04}", "label": label}).encode()
            assert served.ask("/feedback", method="POST", body=body).status == 200
        assert served.end() == 0
    words = ["feedback", "export", "--log", address, "--output", str(tmp_path / "out")]
    exported = CliRunner().invoke(petmood, words, catch_exceptions=False)
    assert f"{tmp_path / 'out'}: 12 photos" in exported.output
    table, target = str(tmp_path / "out/labels.csv"), str(tmp_path / "data")
    imported = CliRunner().invoke(petmood, ["data", "import", "csv", table, "--output", target], catch_exceptions=False)
    assert imported.exit_code == 0, imported.output
    index = read_index(tmp_path / "data")
    assert len(index) == 12
    assert {one.label for one in index} == set(bundle.manifest.classes[:2])
    assert all("-00" in one.path for one in index), "the name of a photo has its request id"


def test_postgresql_keeps_one_feedback_for_each_visitor_and_deletes_it_with_its_prediction(server: Server) -> None:
    rows = LogStore(connect(database_url(server.url_with_password)))
    rows.insert([row(1), row(2)])
    engine = connect(database_url(server.url_with_password))
    store = FeedbackStore(engine)
    given = Feedback(PhotoKey("request-1"), "a" * 64, "angry", "ears back", START_US)
    assert store.write(given) is False
    assert store.write(replace(given, label=None)) is True
    assert store.write(replace(given, key=PhotoKey("request-2"))) is False
    assert [one.right_label for one in read_feedback(engine)] == ["happy", "angry"]
    rows.delete_requests(["request-2"])
    assert [one.feedback.key.request_id for one in read_feedback(engine)] == ["request-1"]
    store.close()
    rows.close()

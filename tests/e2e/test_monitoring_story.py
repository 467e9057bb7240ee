"""Story of a monitored model with real processes: drift, alert, review in a browser, next model, rollback.

The log is in PostgreSQL, which is killed while the next model is trained.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Page, expect

from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import decode
from petmood.data.synthetic.dataset import write_demo
from petmood.monitoring.prediction_log.database import open_log
from tests.support.alert_rehearsal import Alerting, alerting
from tests.support.browser import chromium
from tests.support.drifting import dark
from tests.support.images import png
from tests.support.logged import request_ids
from tests.support.postgres import Server, postgres_server
from tests.support.served import Served, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.drill, pytest.mark.spawns]

CHAMPION: Final = "registry://petmood@champion"
WITHIN_S: Final = 300
WINDOW: Final = 50
CORRECTIONS: Final = 40
SETTINGS: Final = ("experiment=demo", "tracker=none", "evaluation.baselines=false", "evaluation.robustness=0")


def petmood(*words: object, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command to its end; return what it printed."""
    command = [sys.executable, "-m", "petmood", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(*words: object, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a command that serves; yield the address that it prints."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "petmood", *map(str, words)]
        process = subprocess.Popen(command, cwd=cwd, env=dict(env), stderr=output)
    try:
        wait_until(lambda: "http://" in log.read_text() or process.poll() is not None, within_s=WITHIN_S)
        found = re.search(r"http://[^\s/]+", log.read_text())
        assert found, log.read_text()
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


class Traffic:
    """Drawn pets of known classes that are sent to a service; remembers the class by the request's id."""

    def __init__(self, served: Served, folder: Path) -> None:
        write_demo(folder, photos=400, seed=77, flaws=False)
        photos = sorted(folder.glob("*/*.jpg"), key=lambda path: path.stem[-5:])
        self._served, self._photos = served, cycle(photos)
        self.labels: dict[str, str] = {}

    def send(self, count: int, *, darkened: bool) -> list[dict[str, Any]]:
        """Predict photos; all are answered."""
        answers = []
        for photo in islice(self._photos, count):
            content = png(dark(decode(photo).pixels)) if darkened else photo.read_bytes()
            answer = self._served.predict(content, "image/png" if darkened else "image/jpeg")
            assert answer.status == 200, answer.content
            self.labels[answer.body["request_id"]] = photo.parent.name
            answers.append(answer.body)
        return answers

    def rows(self, result: str) -> float:
        """Return how many rows of the log the service has counted with a result."""
        return self._served.count(f'petmood_prediction_log_rows_total{{result="{result}"}}')


def review(page: Page, address: str, labels: Mapping[str, str]) -> None:
    """Mark photos with their true classes by keys."""
    page.goto(address)
    keys = {name: str(number) for number, name in enumerate(sorted(DEFAULT_CLASSES), start=1)}
    for number in range(CORRECTIONS):
        expect(page.locator("#status")).to_contain_text(f"{number} reviewed", timeout=WITHIN_S * 1000)
        request_id = str(page.locator("#photo").get_attribute("src")).rpartition("/")[2]
        names = [text.partition(" ")[2] for text in page.locator("#labels button").all_inner_texts()]
        assert names == sorted(DEFAULT_CLASSES)
        page.keyboard.press(keys[labels[request_id]])
    expect(page.locator("#status")).to_contain_text(f"{CORRECTIONS} reviewed", timeout=WITHIN_S * 1000)


class Story:
    """Folder and environment of the story, its commands, and what happened when."""

    def __init__(self, folder: Path, database: Server) -> None:
        self.folder, self._begun, self.told = folder, time.monotonic(), list[str]()
        self.database = database
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PETMOOD_", "MLFLOW_"))}
        self.given = {
            "PETMOOD_REGISTRY": str(folder / "registry"),
            "PETMOOD_CACHE": str(folder / "cache"),
            "PETMOOD_PREDICTION_LOG": database.url_with_password,
            "PETMOOD_PREDICTION_LOG_SPOOL": str(folder / "spool"),
            "PETMOOD_KEEP_PHOTOS_FOLDER": str(folder / "kept"),
        }
        self.env = own | self.given

    def tell(self, step: str) -> None:
        """Note a step with its time."""
        self.told.append(f"{time.monotonic() - self._begun:6.1f} s  {step}")

    def run(self, *words: object) -> str:
        """Run a command to its end; return what it printed."""
        return petmood(*words, cwd=self.folder, env=self.env)

    @contextmanager
    def serving(self) -> Iterator[Served]:
        """Serve the champion, with its log and photos."""
        given = self.given | {
            "PETMOOD_KEEP_PHOTOS_DAYS": "30",
            "PETMOOD_DRAIN_NOTICE_S": "0",
            "PETMOOD_FOLLOW_S": "0.5",
        }
        with serving(CHAMPION, self.folder / "service.log", given=given, cwd=self.folder) as served:
            yield served
            assert served.end() == 0

    def beside(self, *words: object) -> AbstractContextManager[str]:
        """Run a command that serves; the context's value is its address."""
        return running(*words, cwd=self.folder, env=self.env, log=self.folder / f"{words[0]}.log")


@pytest.fixture
def database() -> Iterator[Server]:
    """Return a server of PostgreSQL."""
    with postgres_server() as server:
        yield server


def test_from_drift_to_the_next_model_and_back(
    tmp_path: Path, database: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(tmp_path, database)
    story.run("data", "import", "demo", "--output", "data/pets")
    story.run("retrain", *SETTINGS, "data=data/pets", "epochs=10", "--promote", "--limit", "max_ece=0.9")
    story.tell("the first model is champion")
    (tmp_path / "alerts").mkdir()
    watching = ("monitor", "serve", "--bundle", CHAMPION, "--window", WINDOW, "--every", "0.3", "--port", "0")
    with story.serving() as served, story.beside(*watching) as drift_api:
        ports = [int(drift_api.rpartition(":")[2]), served.port]
        with alerting(tmp_path / "alerts", exporters=ports) as alerts:
            traffic = Traffic(served, tmp_path / "pets")
            first = _find_drift(story, traffic, drift_api, alerts)
            _correct(story, traffic)
            _replace(story, traffic, drift_api, alerts, first=first)
    engine = open_log(database.url_with_password)
    assert request_ids(engine) == sorted(traffic.labels)
    engine.dispose()
    story.tell(f"all {len(traffic.labels)} predictions are in the log, each once")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(story.told) + "\n")


def _find_drift(story: Story, traffic: Traffic, drift_api: str, alerts: Alerting) -> str:
    """Send usual and then dark photos, and wait for the alert; return the hash of the bundle that answered."""
    first = str(traffic.send(60, darkened=False)[0]["model"]["sha256"])
    wait_until(lambda: _statuses(drift_api) == ["ok"], within_s=WITHIN_S, what="an ok window")
    story.tell("60 photos like those of the training: no drift")
    traffic.send(190, darkened=True)
    wait_until(lambda: _statuses(drift_api)[2:] == ["drift"] * 3, within_s=WITHIN_S, what="drift")
    assert "brightness is lower" in httpx.get(f"{drift_api}/drift/report", timeout=60).text
    story.tell("190 dark photos: drift is found")
    alerts.wait_for("firing", {"PetmoodDrift"})
    story.tell("the alert is received")
    return first


def _correct(story: Story, traffic: Traffic) -> None:
    """Review photos in a browser, and make the next data version of them."""
    with story.beside("feedback", "review", "--port", "0") as address, chromium() as browser:
        review(browser.new_page(), address, traffic.labels)
    story.tell(f"{CORRECTIONS} photos are reviewed in a browser")
    exported = story.run("feedback", "export", "--output", "marks", "--with", "data/pets")
    assert f"marks: {CORRECTIONS} photos" in exported
    story.run("data", "import", "csv", "marks/labels.csv", "--output", "data/pets-v2")
    story.tell("the next data version is imported")


def _replace(story: Story, traffic: Traffic, drift_api: str, alerts: Alerting, *, first: str) -> None:
    """Train and promote the next model, and roll it back."""
    # Which photos are reviewed depends on random ids, and so does a little overconfidence of the few test photos.
    better = ("epochs=16", "--promote", "--limit", "max_nll_increase=2", "--when-drift", drift_api)
    with ThreadPoolExecutor() as beside:
        outage = beside.submit(_kill_the_database, story, traffic)
        assert "It is champion now." in story.run("retrain", *SETTINGS, "data=data/pets-v2", *better)
        outage.result()
    story.tell("the next model passes the checks and is champion")
    wait_until(lambda: _served_sha(traffic) != first, within_s=WITHIN_S, what="the next model")
    story.tell("it is served")
    alerts.wait_for("resolved", {"PetmoodDrift"})
    story.tell("the alert is resolved")
    story.run("registry", "rollback", "--reason", "it was a story")
    wait_until(lambda: _served_sha(traffic) == first, within_s=WITHIN_S, what="the first model")
    story.tell("it is rolled back")


def _kill_the_database(story: Story, traffic: Traffic) -> None:
    """Send photos while PostgreSQL is killed and started again, until all of their rows are in it."""
    traffic.send(10, darkened=True)
    story.database.kill()
    story.tell("PostgreSQL is killed")
    while not traffic.rows("spooled"):
        traffic.send(10, darkened=True)
    story.database.start()
    traffic.send(10, darkened=True)
    wait_until(lambda: traffic.rows("written") + traffic.rows("repeated") == len(traffic.labels), within_s=WITHIN_S)
    story.tell("it was started again, and has the rows of the outage")


def _statuses(drift_api: str) -> list[str]:
    bundles = json.loads(httpx.get(f"{drift_api}/drift", timeout=60).text)["bundles"]
    return [window["status"] for window in bundles[0]["windows"]]


def _served_sha(traffic: Traffic) -> str:
    return str(traffic.send(1, darkened=True)[0]["model"]["sha256"])

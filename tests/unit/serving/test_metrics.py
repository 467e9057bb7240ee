"""Tests of the metrics of one process and their aggregation over several."""

import os
import subprocess
import sys
from pathlib import Path

from petmood.core.domain import DomainWarning
from petmood.core.errors import TooSmall, Unavailable
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.serving.metrics import MULTIPROCESS_FOLDER, WORKER_NUMBER, ServiceMetrics, error_codes

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
CONFIDENT = Prediction("happy", 0.91, {"happy": 0.91, "sad": 0.09}, True, ("happy",), MODEL)
ABSTAINED = Prediction("sad", 0.55, {"happy": 0.45, "sad": 0.55}, False, ("sad", "happy"), MODEL)
REASONS: tuple[DomainWarning, ...] = ("no_animal", "no_animal", "unfamiliar")
OUTSIDE = [Prediction(None, 0.97, {"happy": 0.97}, False, (), MODEL, domain_warning=reason) for reason in REASONS]
PROGRAM = """
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.serving.metrics import ServiceMetrics
metrics = ServiceMetrics()
metrics.finished(method="POST", route="/predict", status=200, seconds=0.02)
model = ModelInfo(name="demo", version="1", sha256="0" * 64)
metrics.count(Prediction("happy", 0.91, {}, True, ("happy",), model))
metrics.in_flight.inc()
metrics.expect(routes=["/explain"], codes=[], capacity=8)
import sys
sys.stdout.buffer.write(metrics.render())
"""
FORGET = "from petmood.serving.metrics import RestartCounter, forget_worker"


def lines(page: bytes) -> set[str]:
    """Return the numbers of a page."""
    return {line for line in page.decode().splitlines() if not line.startswith("#")}


def test_answers_are_counted_by_label_probability_and_certainty() -> None:
    metrics = ServiceMetrics()
    for answer in (CONFIDENT, CONFIDENT, ABSTAINED, TooSmall("x")):
        metrics.count(answer)
    assert {
        'petmood_predictions_total{label="happy"} 2.0',
        'petmood_predictions_total{label="sad"} 1.0',
        "petmood_abstentions_total 1.0",
        'petmood_prediction_confidence_bucket{le="0.6"} 1.0',
        'petmood_prediction_confidence_bucket{le="0.95"} 3.0',
        'petmood_rejected_photos_total{code="too_small"} 1.0',
    } <= lines(metrics.render())


def test_photos_out_of_the_domain_are_counted_by_reason_and_not_as_abstentions_or_probabilities() -> None:
    metrics = ServiceMetrics()
    for answer in (*OUTSIDE, CONFIDENT):
        metrics.count(answer)
    assert {
        'petmood_predictions_total{label="out_of_domain"} 3.0',
        'petmood_predictions_total{label="happy"} 1.0',
        'petmood_out_of_domain_total{reason="no_animal"} 2.0',
        'petmood_out_of_domain_total{reason="unfamiliar"} 1.0',
        "petmood_abstentions_total 0.0",
        "petmood_prediction_confidence_count 1.0",
    } <= lines(metrics.render())


def test_requests_are_counted_by_method_route_and_status() -> None:
    metrics = ServiceMetrics()
    for status in (200, 200, 422):
        metrics.finished(method="POST", route="/predict", status=status, seconds=0.03)
    assert {
        'petmood_requests_total{method="POST",route="/predict",status="200"} 2.0',
        'petmood_requests_total{method="POST",route="/predict",status="422"} 1.0',
        'petmood_request_duration_seconds_bucket{le="0.025",method="POST",route="/predict",status="2xx"} 0.0',
        'petmood_request_duration_seconds_bucket{le="0.05",method="POST",route="/predict",status="2xx"} 2.0',
        'petmood_request_duration_seconds_bucket{le="0.05",method="POST",route="/predict",status="4xx"} 1.0',
    } <= lines(metrics.render())


def test_one_model_answers_at_a_time() -> None:
    metrics = ServiceMetrics()
    first, second = (ModelInfo(name="pets", version=version, sha256=version * 64) for version in "12")
    metrics.serves(first)
    metrics.serves(second, instead_of=first)
    assert {
        'petmood_model_info{name="pets",sha256="111111111111",version="1"} 0.0',
        'petmood_model_info{name="pets",sha256="222222222222",version="2"} 1.0',
    } <= lines(metrics.render())


def test_what_never_happened_is_there_as_0_so_that_an_alert_can_see_it_rise() -> None:
    assert {
        'petmood_model_loads_total{result="refused"} 0.0',
        'petmood_out_of_domain_total{reason="no_animal"} 0.0',
        'petmood_out_of_domain_total{reason="unfamiliar"} 0.0',
        'petmood_predictions_total{label="out_of_domain"} 0.0',
    } <= lines(ServiceMetrics().render())


def test_every_error_code_is_there_as_0() -> None:
    page = lines(ServiceMetrics().render())
    for name in ("petmood_errors_total", "petmood_rejected_photos_total"):
        for code in ("corrupt_image", "overloaded", "shutting_down", "internal", "too_many_requests", "bad_form"):
            assert f'{name}{{code="{code}"}} 0.0' in page


def test_the_classes_of_a_model_are_there_as_0_from_its_load_on() -> None:
    metrics = ServiceMetrics()
    metrics.serves(MODEL, classes=("happy", "sad"))
    metrics.count(CONFIDENT)
    metrics.serves(MODEL, classes=("sad", "sleepy"))
    assert {
        'petmood_predictions_total{label="happy"} 1.0',
        'petmood_predictions_total{label="sad"} 0.0',
        'petmood_predictions_total{label="sleepy"} 0.0',
    } <= lines(metrics.render())


def test_expected_routes_and_codes_are_there_as_0_with_the_capacity_of_the_queue() -> None:
    metrics = ServiceMetrics()
    metrics.expect(routes=["/predict"], codes=["not_found"], capacity=64)
    assert {
        'petmood_requests_total{method="POST",route="/predict",status="200"} 0.0',
        'petmood_requests_total{method="POST",route="/predict",status="500"} 0.0',
        'petmood_requests_total{method="POST",route="/predict",status="503"} 0.0',
        'petmood_requests_total{method="POST",route="none",status="401"} 0.0',
        'petmood_requests_total{method="POST",route="none",status="403"} 0.0',
        'petmood_request_duration_seconds_count{method="POST",route="/predict",status="2xx"} 0.0',
        'petmood_errors_total{code="not_found"} 0.0',
        "petmood_queue_capacity 64.0",
    } <= lines(metrics.render())


def test_codes_of_a_tree_are_those_of_all_its_classes() -> None:
    assert error_codes(Unavailable) == ["overloaded", "shutting_down", "unavailable"]


def test_nothing_is_shared_between_two_services() -> None:
    first, second = ServiceMetrics(), ServiceMetrics()
    first.count(CONFIDENT)
    assert 'petmood_predictions_total{label="happy"} 1.0' not in lines(second.render())


def test_the_numbers_of_several_processes_are_added_up(tmp_path: Path) -> None:
    environment = {**os.environ, MULTIPROCESS_FOLDER: str(tmp_path)}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True)
    found = lines(done.stdout)
    assert 'petmood_requests_total{method="POST",route="/predict",status="200"} 2.0' in found
    assert 'petmood_predictions_total{label="happy"} 2.0' in found
    assert "petmood_prediction_confidence_count 2.0" in found
    assert 'petmood_requests_total{method="POST",route="/explain",status="500"} 0.0' in found
    assert 'petmood_errors_total{code="overloaded"} 0.0' in found
    assert any(line.startswith("petmood_requests_in_flight ") for line in found)


def test_a_process_that_died_is_taken_out_of_what_is_about_now_and_not_out_of_what_was(tmp_path: Path) -> None:
    environment = {**os.environ, MULTIPROCESS_FOLDER: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE) as dead:
        assert dead.communicate()[0]
    forgetting = f"{FORGET}\nforget_worker({dead.pid})\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", forgetting], env=environment, capture_output=True, check=True)
    assert {
        "petmood_requests_in_flight 1.0",
        'petmood_requests_total{method="POST",route="/predict",status="200"} 2.0',
    } <= lines(done.stdout)


def test_a_process_that_replaces_another_continues_its_files(tmp_path: Path) -> None:
    """So the folder doesn't grow with every restart; what was in flight in the dead one is forgotten."""
    environment = {**os.environ, MULTIPROCESS_FOLDER: str(tmp_path), WORKER_NUMBER: "1"}
    restarting = f"{FORGET}\nRestartCounter().inc()\n{PROGRAM}"
    for program in (PROGRAM, restarting, f"{FORGET}\nforget_worker(1)\n{PROGRAM}"):
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert {
        "petmood_requests_in_flight 1.0",
        'petmood_requests_total{method="POST",route="/predict",status="200"} 3.0',
        "petmood_worker_restarts_total 1.0",
    } <= lines(done.stdout)
    names = {path.name for path in tmp_path.glob("*.db")}
    assert {"counter_1.db", "histogram_1.db", "counter_supervisor.db"} <= names
    assert {name.rpartition("_")[2] for name in names} == {"1.db", "supervisor.db"}


def test_a_single_process_was_never_restarted() -> None:
    assert "petmood_worker_restarts_total 0.0" in lines(ServiceMetrics().render())


def test_the_names_are_those_that_dashboards_and_alerts_are_built_on() -> None:
    page = ServiceMetrics().render().decode()
    assert dict(line.split()[2:] for line in page.splitlines() if line.startswith("# TYPE")) == {
        "petmood_requests_total": "counter",
        "petmood_errors_total": "counter",
        "petmood_rejected_photos_total": "counter",
        "petmood_request_duration_seconds": "histogram",
        "petmood_requests_in_flight": "gauge",
        "petmood_queue_depth": "gauge",
        "petmood_queue_capacity": "gauge",
        "petmood_predictions_total": "counter",
        "petmood_out_of_domain_total": "counter",
        "petmood_abstentions_total": "counter",
        "petmood_prediction_confidence": "histogram",
        "petmood_prediction_log_rows_total": "counter",
        "petmood_kept_photos_total": "counter",
        "petmood_feedback_total": "counter",
        "petmood_worker_restarts_total": "counter",
        "petmood_model_info": "gauge",
        "petmood_model_loads_total": "counter",
        "petmood_registry_up": "gauge",
        "petmood_registry_version": "gauge",
    }

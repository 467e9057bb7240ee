"""Estimates of costs, computed by hand beside them."""

import json
from pathlib import Path

import pytest

from petmood.cloud.cost import MONTH_S, Prices, read_prices, run_seconds, serving_cost, training_cost
from petmood.cloud.settings import ServiceSize, TrainingSize
from petmood.core.errors import CloudError, ConfigError

PRICES = {
    "as_of": "2025-01-31",
    "source": "made up",
    "region": "nowhere",
    "currency": "EUR",
    "cloud_run": {
        "request_cpu_second": 0.01,
        "request_gib_second": 0.001,
        "million_requests": 5,
        "instance_cpu_second": 0.002,
        "instance_gib_second": 0.0001,
    },
    "vertex_machine_hour": {"n1-standard-8": 3.6, "g2-standard-8": 7.2},
    "vertex_accelerator_hour": {"NVIDIA_TESLA_T4": 0.9},
}


def test_a_training_costs_its_seconds_times_machine_and_accelerators() -> None:
    size = TrainingSize(machine_type="n1-standard-8", accelerator="NVIDIA_TESLA_T4", accelerator_count=2)
    prices = Prices.model_validate(PRICES)
    assert training_cost(prices, size, seconds=1000).amount == pytest.approx(1000 / 3600 * (3.6 + 2 * 0.9))
    included = TrainingSize(machine_type="g2-standard-8", accelerator="NVIDIA_L4")
    assert training_cost(prices, included, seconds=1000).amount == pytest.approx(2.0)
    four = training_cost(prices, included.model_copy(update={"machines": 4}), seconds=1000)
    assert four.amount == pytest.approx(8.0)
    assert "on each of 4 machines" in four.how


def test_requests_cost_their_time_in_steps_of_100_ms_and_an_instance_a_month_of_seconds() -> None:
    size = ServiceSize(cpu=2, memory="512Mi", min_instances=3)
    by_request, by_instance = serving_cost(Prices.model_validate(PRICES), size, requests=2_000_000, milliseconds=101)
    assert by_request.amount == pytest.approx(2_000_000 * 0.2 * (2 * 0.01 + 0.5 * 0.001) + 2 * 5)
    assert by_instance.amount == pytest.approx(3 * MONTH_S * (2 * 0.002 + 0.5 * 0.0001))


def test_the_prices_of_the_package_are_dated_and_have_the_default_machine() -> None:
    found = read_prices()
    assert found.source
    assert found.as_of.year >= 2025
    assert training_cost(found, TrainingSize(), seconds=3600).amount > 0


def test_a_machine_without_a_price_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ConfigError, match="price of n2-standard-8 in vertex_machine_hour, got prices of g2-standard-8"):
        training_cost(Prices.model_validate(PRICES), TrainingSize(machine_type="n2-standard-8"), seconds=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("as_of: 2025-01-01", "source in"),
        (json.dumps(PRICES | {"currency": ""}), "currency in"),
        (json.dumps(PRICES | {"vertex_machine_hour": {"a": -1}}), "vertex_machine_hour.a in"),
        (json.dumps(PRICES | {"more": 1}), "more in"),
        ("a: [", "can't be read as YAML"),
    ],
)
def test_a_wrong_list_of_prices_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_prices(path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_seconds_of_a_run_are_those_that_were_measured(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"seconds": 12.5}')
    assert run_seconds(tmp_path) == 12.5


@pytest.mark.parametrize("text", [None, "{}", "[]", '{"seconds": null}', "x"])
def test_a_run_without_measured_seconds_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(CloudError, match=r"run\.json|not finished"):
        run_seconds(tmp_path)

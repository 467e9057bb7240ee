"""Tests of the load test configuration's JSON round trip."""

from petmood.serving.loadtest.config import LoadTestConfig, load_test_config_from
from petmood.serving.loadtest.target import Target


def test_a_job_comes_back_from_its_text() -> None:
    job = LoadTestConfig(
        Target("http://127.0.0.1:8000", "/predict"), (1, 2), 3.0, "there/locust", until_saturation=True, token="t" * 16
    )
    assert load_test_config_from(job.as_text()) == job

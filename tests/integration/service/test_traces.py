"""Traces of a real service with several processes: what a collector gets, and what its absence costs."""

from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from tests.support.collector import attributes, collecting
from tests.support.ports import free_port
from tests.support.served import serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

OPTIONS = ("--port", "0", "--workers", "2", "--trace-sampling", "1", "--traces")


def test_every_request_is_in_a_trace_when_the_service_has_ended_and_the_log_has_its_id(
    bundle: Bundle, good: bytes, log: Path
) -> None:
    with collecting() as collector:
        with serving(bundle.folder, log, options=[*OPTIONS, collector.url], PETMOOD_DRAIN_NOTICE_S="0") as served:
            for number in range(30):
                assert served.predict(good, **{"X-Request-Id": f"{number:02}"}).status == 200
            assert served.end() == 0
        requests = {attributes(one.attributes)["petmood.request_id"]: one for one in collector.spans if one.kind == 2}
        assert sorted(requests) == [f"{number:02}" for number in range(30)]
        for name in ("decode", "inference"):
            stages = [one for one in collector.spans if one.name == name]
            assert {one.parent_span_id for one in stages} == {one.span_id for one in requests.values()}
        inferred = [attributes(one.attributes) for one in collector.spans if one.name == "inference"]
        assert inferred == [{"petmood.bundle": bundle.sha256}] * 30
        ids = {
            line["request_id"]: line["trace_id"] for line in served.lines() if line["message"] == "POST /predict 200"
        }
        assert ids == {name: one.trace_id.hex() for name, one in requests.items()}


def test_a_collector_that_is_away_costs_one_line_of_the_log(bundle: Bundle, good: bytes, log: Path) -> None:
    options = ["--port", "0", "--trace-sampling", "1", "--traces", f"http://127.0.0.1:{free_port()}"]
    given = {"PETMOOD_DRAIN_NOTICE_S": "0", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with serving(bundle.folder, log, options=options, given=given) as served:
        for _ in range(30):
            assert served.predict(good).status == 200
        wait_until(lambda: "spans are dropped" in log.read_text())
        for _ in range(30):
            assert served.predict(good).status == 200
        assert served.end() == 0
    (line,) = [line["message"] for line in served.lines() if line["severity"] != "INFO"]
    assert line.startswith("spans are dropped until http://127.0.0.1:")
    assert "Connection refused" in line

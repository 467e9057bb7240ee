"""Tests of the shared service state."""

from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.settings import Settings


def test_a_service_is_unready_for_a_reason() -> None:
    service = create_app(FakePredictor(), settings=Settings(threads=1, file_mb=2)).state.service
    assert service.readiness_failure() == "worker_died"  # they aren't started yet
    service.workers.start()
    assert service.readiness_failure() is None
    service.drain.begin()
    assert service.readiness_failure() == "shutting_down"
    service.workers.stop()
    assert service.file_bytes == 2_000_000

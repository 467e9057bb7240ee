"""Tests of the BentoML command lines and of the environment without telemetry."""

import sys
from pathlib import Path

import pytest

from petmood.serving.integrations.bentoml.cli_args import ServeOptions, bentoml_command, environment, serve_command


def test_the_command_is_run_by_this_python_whatever_lies_in_the_current_folder() -> None:
    assert bentoml_command("list") == [sys.executable, "-P", "-m", "bentoml", "list"]


def test_a_service_is_started_on_loopback_without_batching_unless_set_otherwise() -> None:
    command = serve_command(ServeOptions())
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "3000"
    assert "max_batch=1" in command
    assert int(command[command.index("--timeout-graceful-shutdown") + 1]) < 10
    command = serve_command(ServeOptions(host="0.0.0.0", port=80, max_batch=16, max_latency_ms=50))  # noqa: S104 - not bound
    assert {"0.0.0.0", "80", "max_batch=16", "max_latency_ms=50"} <= set(command)  # noqa: S104 - as above


def test_the_bundle_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment(Path("bundles/x"), base={})["PETMOOD_BUNDLE"] == str(tmp_path / "bundles/x")
    assert "PETMOOD_BUNDLE" not in environment(base={})


def test_tracking_is_off_unless_it_was_switched_on() -> None:
    assert environment(base={"A": "b"}) == {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1", "A": "b"}
    assert environment(base={"BENTOML_DO_NOT_TRACK": "False"})["BENTOML_DO_NOT_TRACK"] == "False"

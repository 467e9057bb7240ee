"""Command lines and environment for BentoML subprocesses, with telemetry disabled."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.environment import BUNDLE_VARIABLE

__all__ = ["PORT", "UNTRACKED", "ServeOptions", "bentoml_command", "environment", "serve_command"]

PORT: Final = 3000
"""BentoML's default port."""

DRAIN_S: Final = 6
"""Seconds for requests in flight after SIGTERM, then they are cut; a stalled upload delayed shutdown by 10 s."""
SERVICE: Final = "petmood.serving.integrations.bentoml.service:service"
UNTRACKED: Final = {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1"}
"""Variables that disable the telemetry of BentoML and ONNX Runtime; existing values win."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Options of a service: address, and maximum batch size and latency (batch size 1 disables batching)."""

    host: str = "127.0.0.1"
    port: int = PORT
    max_batch: int = 1
    max_latency_ms: int = 1000

    @property
    def arguments(self) -> list[str]:
        """Batching options as BentoML command-line arguments."""
        return ["--arg", f"max_batch={self.max_batch}", "--arg", f"max_latency_ms={self.max_latency_ms}"]


def bentoml_command(*words: str) -> list[str]:
    """Return a BentoML command, run by this Python without the current folder on ``sys.path``."""
    return [sys.executable, "-P", "-m", "bentoml", *words]


def serve_command(start: ServeOptions) -> list[str]:
    """Return the command that serves the bundle named in the environment."""
    address = ["--host", start.host, "--port", str(start.port)]
    return bentoml_command("serve", SERVICE, *address, "--timeout-graceful-shutdown", str(DRAIN_S), *start.arguments)


def environment(bundle: Path | None = None, *, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return this process's environment with telemetry disabled and the bundle set."""
    named = {} if bundle is None else {BUNDLE_VARIABLE: str(bundle.resolve())}
    return {**UNTRACKED, **base, **named}

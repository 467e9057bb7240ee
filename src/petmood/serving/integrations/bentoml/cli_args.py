"""How is BentoML's own program started? As a process of its own, told what to serve and to tell nobody about it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.serving.integrations.bentoml.runtime import BUNDLE

__all__ = ["PORT", "UNTRACKED", "ServeOptions", "bentoml_command", "environment", "serve_command"]

PORT: Final = 3000
"""BentoML's own default."""

DRAIN_S: Final = 6
"""What is in flight may take so long after SIGTERM, then it is cut; a stalled upload held the end up for 10 s."""
SERVICE: Final = "petmood.serving.integrations.bentoml.service:service"
UNTRACKED: Final = {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1"}
"""BentoML and ONNX Runtime report to their makers unless this is set; whoever sets it otherwise is obeyed."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How a service is started: its address, and how many photos make a batch (1: none)."""

    host: str = "127.0.0.1"
    port: int = PORT
    max_batch: int = 1
    max_latency_ms: int = 1000

    @property
    def arguments(self) -> list[str]:
        """The batching as BentoML's command line takes it."""
        return ["--arg", f"max_batch={self.max_batch}", "--arg", f"max_latency_ms={self.max_latency_ms}"]


def bentoml_command(*words: str) -> list[str]:
    """Return a command of BentoML, run by this Python without looking for modules in the current folder."""
    return [sys.executable, "-P", "-m", "bentoml", *words]


def serve_command(start: ServeOptions) -> list[str]:
    """Return the command that serves the bundle which the environment names."""
    address = ["--host", start.host, "--port", str(start.port)]
    return bentoml_command("serve", SERVICE, *address, "--timeout-graceful-shutdown", str(DRAIN_S), *start.arguments)


def environment(bundle: Path | None = None, *, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return this process's environment, in which nothing is reported and the service finds its bundle."""
    named = {} if bundle is None else {BUNDLE: str(bundle.resolve())}
    return {**UNTRACKED, **base, **named}

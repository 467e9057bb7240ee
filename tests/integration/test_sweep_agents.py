"""Command of sweep.yaml as W&B's own agent runs it, repeatedly in one folder."""

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.wandb_agent import Agent

from petmood.pipelines.run_folder import RunFolder
from tests.support.small_sets import write_small_set
from tests.support.wandb_files import records_of, summary_in

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


def drawn(parameters: dict[str, Any], chance: random.Random) -> dict[str, dict[str, object]]:
    """Draw values as W&B's server would send them."""
    found: dict[str, dict[str, object]] = {}
    for name, one in parameters.items():
        value = chance.choice(one["values"]) if "values" in one else chance.uniform(one["min"], one["max"])
        if "q" in one:
            value = round(float(value) / one["q"]) * one["q"]
        found[name] = {"value": value}
    return found


def test_the_agent_starts_run_after_run_with_what_it_was_sent(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the server is missing; the command line is put together and started by the agent itself."""
    sweep = yaml.safe_load((root / "sweep.yaml").read_text("utf-8"))
    write_small_set(tmp_path / "data/demo")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_SWEEP_ID": "s1",
        "WANDB_RUN_ID": "",
        "WANDB_SWEEP_PARAM_PATH": "",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB__SERVICE_WAIT", "600")  # W&B's process may start slowly
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    agent: Any = Agent(api=None, queue=None, sweep_id="s1", in_jupyter=False)
    agent._sweep_command = [*sweep["command"], "tracker.deadline_s=1200"]  # however slowly W&B writes
    chance, sent = random.Random(5), {}
    for run_id in ("one", "two"):
        sent[run_id] = drawn(sweep["parameters"], chance)
        agent._command_run({"run_id": run_id, "program": sweep["program"], "args": sent[run_id]})
        assert agent._run_processes[run_id].wait() == 0
    runs = sorted(
        (RunFolder(path) for path in (tmp_path / "runs").iterdir()), key=lambda run: run.read_metadata().created
    )
    assert len(runs) == 2
    for run, values in zip(runs, sent.values(), strict=True):
        assert run.read_config().optimizer.lr == values["optimizer.lr"]["value"]
        assert run.read_config().recipe.label_smoothing == values["recipe.label_smoothing"]["value"]
        (written,) = run.path.rglob("*.wandb")
        assert sweep["metric"]["name"] in summary_in(records_of(written))

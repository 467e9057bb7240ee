"""Profile of training steps with torch's profiler: a trace and a table of operations."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from petmood.configs.schema import Config
from petmood.core.files import atomic_write_text
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.loaders import train_loader
from petmood.models.classifier import ExpressionClassifier, OptimizationConfig, parameter_groups
from petmood.pipelines.fit_settings import configured_photos, fit_settings
from petmood.training.dataset import open_index, training_rows
from petmood.training.fit import make_network

__all__ = ["Profile", "profile_training"]

WARM_STEPS: Final = 2
STEPS: Final = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """Paths of the trace (for chrome://tracing or Perfetto) and of the table, and the text of the table."""

    trace: Path
    table: Path
    text: str


def profile_training(config: Config, *, to: Path, top: int = 15, progress: ProgressBar = no_progress) -> Profile:
    """Profile some training steps as configured, on the CPU, and write ``trace.json`` and ``table.txt``.

    Raises:
        DataError: photos that can't be trained on.
    """
    data = Path(config.data.path)
    index = open_index(data)
    rows = training_rows(index.rows, include_copies=config.data.include_copies)
    rows = rows[: (WARM_STEPS + STEPS) * config.trainer.batch_size]
    photo_set = configured_photos(config, data, rows, classes=index.classes, progress=progress)
    network = (
        make_network(fit_settings(config), classes=len(index.classes)).train().to(memory_format=torch.channels_last)
    )
    optimization = OptimizationConfig(epochs=1, lr=config.optimizer.lr)
    module = ExpressionClassifier(network, optimization)
    optimizer = torch.optim.AdamW(parameter_groups(network, optimization))
    batches = train_loader(
        photo_set.cache, photo_set.labels, batch_size=config.trainer.batch_size, seed=config.seed, spec=config.augment
    )
    to.mkdir(parents=True, exist_ok=True)
    wanted = schedule(wait=0, warmup=WARM_STEPS, active=STEPS, repeat=1)
    with profile(activities=[ProfilerActivity.CPU], schedule=wanted, acc_events=True) as profiler:
        stream = itertools.chain.from_iterable(itertools.repeat(batches))
        for _ in progress(range(WARM_STEPS + STEPS), total=WARM_STEPS + STEPS, what="profiling"):
            with record_function("petmood: next batch"):
                batch = next(stream)
            with record_function("petmood: forward"):
                loss = torch.nn.functional.cross_entropy(module(batch["images"]), batch["labels"])
            with record_function("petmood: backward"):
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call] # torch's own method has no annotations
            with record_function("petmood: optimizer"):
                optimizer.step()
            profiler.step()
    text = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=top)
    profiler.export_chrome_trace(str(to / "trace.json"))
    atomic_write_text(to / "table.txt", text)
    return Profile(to / "trace.json", to / "table.txt", text)

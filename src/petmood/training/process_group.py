"""Group of processes that train together: joining it, sending tasks and files, and the end of another process."""

import json
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import distributed
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined] # public by the documentation
from torch.distributed.rendezvous import rendezvous

from petmood.core.errors import RunError
from petmood.core.files import atomic_write_bytes
from petmood.core.world import World

__all__ = ["ProcessGroup", "SigtermCallback", "joined_group", "share_file", "translate_lost_process"]

FAREWELL: Final = timedelta(seconds=5)
"""How long the first process waits for the confirmation of its end; the others may be in an exchange."""
TIMEOUT: Final = timedelta(minutes=30)
"""How long a process waits for the others: the first one prepares photos and evaluates meanwhile."""
LOST: Final = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL", "TCPStore")
"""Parts of torch's messages when a connection to another process ended; they are plain RuntimeErrors."""


@dataclass(slots=True)
class ProcessGroup:
    """A joined group: the first process sends tasks, each of which the others receive once, in order.

    The others confirm the last one, so that none takes the end of the first process for an error.
    """

    world: World
    store: Store
    sent: int = 0

    def send(self, task: Mapping[str, Any]) -> None:
        """Send a task, of JSON values; the others begin it some time later."""
        self.store.set(f"task-{self.sent}", json.dumps(task))
        self.sent += 1

    def end(self) -> None:
        """Send the end of the tasks, and wait a few seconds until the others have confirmed it."""
        names = [f"confirmed-{rank}" for rank in range(1, self.world.size)]
        with suppress(RuntimeError):  # one of them has ended
            self.send({})
            if names:
                self.store.wait(names, FAREWELL)

    def confirm_end(self) -> None:
        """Confirm the end of the tasks to the first process."""
        self.store.set(f"confirmed-{self.world.rank}", "")

    def receive(self) -> Any:  # noqa: ANN401 - JSON values
        """Wait for the next task, however long the first process takes, and return it; the last one is empty."""
        name = f"task-{self.sent}"
        while not self.store.check([name]):
            try:
                self.store.wait([name], timedelta(seconds=60))
            except distributed.DistStoreError:
                continue
        self.sent += 1
        return json.loads(self.store.get(name))


@contextmanager
def joined_group(world: World) -> Iterator[ProcessGroup]:
    """Join the group of torchrun's variables during the block: gloo, and NCCL for tensors on a GPU.

    Raises:
        RunError: the other processes can't be reached.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    try:
        store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
        group_store = PrefixStore("group", store)
        distributed.init_process_group(
            backend, store=group_store, rank=world.rank, world_size=world.size, timeout=TIMEOUT
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"Process {world.rank} of {world.size} can't reach the others ({reason}). "
            "Start them with torchrun, or set MASTER_ADDR and MASTER_PORT."
        ) from error
    try:
        yield ProcessGroup(world, PrefixStore("tasks", store))
    finally:
        distributed.destroy_process_group()


def share_file(path: Path, world: World) -> None:
    """Give every process the first one's file, at a path of its own; nothing is done if there is none."""
    data = path.read_bytes() if world.is_first and path.exists() else b""
    length = torch.tensor(len(data))
    distributed.broadcast(length, src=0)
    if not int(length):
        return
    content = torch.frombuffer(bytearray(data), dtype=torch.uint8) if world.is_first else torch.empty(0)
    content = content if world.is_first else torch.empty(int(length), dtype=torch.uint8)
    distributed.broadcast(content, src=0)
    if not world.is_first:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(path, content.numpy().tobytes())


@contextmanager
def translate_lost_process(world: World, message: Callable[[], str]) -> Iterator[None]:
    """Raise RunError with a message where torch says that the connection to another process ended."""
    try:
        yield
    except RuntimeError as error:
        if world.size == 1 or not any(part in str(error) for part in LOST):
            raise
        raise RunError(message()) from error


class SigtermCallback(Callback):
    """Keep the handler of SIGTERM in training; Lightning's waits for the other processes, which may have ended."""

    def __init__(self) -> None:
        self.own = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Set the handler that was there before training."""
        signal.signal(signal.SIGTERM, self.own)

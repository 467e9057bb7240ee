"""A group of processes, here of one: tasks, files, and the end of another process in one line."""

from pathlib import Path

import pytest
from torch import distributed

from petmood.core.errors import RunError
from petmood.core.world import ALONE, World
from petmood.training.process_group import joined_group, share_file, translate_lost_process
from tests.support.ports import free_port

TWO = World(0, 2, 2)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set torchrun's variables of a group of one process, and return its port."""
    port = free_port()
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": 0, "WORLD_SIZE": 1}.items():
        monkeypatch.setenv(name, str(value))
    return port


@pytest.mark.usefixtures("address")
def test_tasks_come_once_and_in_order_and_a_file_that_is_missing_is_not_shared(tmp_path: Path) -> None:
    with joined_group(ALONE) as group:
        group.send({"run": "runs/é", "number": 1})
        group.end()
        group.sent = 0  # as in another process, which has received nothing yet
        assert [group.receive(), group.receive()] == [{"run": "runs/é", "number": 1}, {}]
        group.confirm_end()
        share_file(tmp_path / "last.ckpt", ALONE)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "last.ckpt").write_bytes(b"weights")
        share_file(tmp_path / "last.ckpt", ALONE)
        assert (tmp_path / "last.ckpt").read_bytes() == b"weights"
    assert not distributed.is_initialized()


def test_without_an_address_the_others_can_t_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match=r"Process 0 of 2 can't reach the others .*MASTER_ADDR"), joined_group(TWO):
        pass


@pytest.mark.parametrize("text", ["[gloo/pair.cc:538] Connection closed by peer [127.0.0.1]:5", "Broken pipe"])
def test_a_lost_connection_is_one_line(text: str) -> None:
    with pytest.raises(RunError, match=r"^stopped$"), translate_lost_process(TWO, lambda: "stopped"):
        raise RuntimeError(text)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), translate_lost_process(TWO, lambda: "stopped"):
        raise RuntimeError("size mismatch")
    with pytest.raises(RuntimeError, match="Broken pipe"), translate_lost_process(ALONE, lambda: "stopped"):
        raise RuntimeError("Broken pipe")

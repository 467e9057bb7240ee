"""Shards on Ray: what is said where there is no cluster; tests/integration/test_shards.py has one of two nodes."""

import sys
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import MissingDependency, ServiceUnreachable
from petmood.core.photo_source import FoundPhoto
from petmood.inference.shard_plan import ShardPlan, make_plan
from petmood.inference.shard_ray import run_on_ray
from tests.support.ports import free_port


@pytest.fixture
def plan(shared_bundle: Bundle, tmp_path: Path) -> ShardPlan:
    """Return a plan of one shard."""
    return make_plan(tmp_path / "out", shared_bundle, [FoundPhoto(Path("a.jpg"))], shard_size=8, source={})


@pytest.mark.proof  # importing ray takes seconds
@pytest.mark.spawns
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_no_cluster_is_one_line(address: str, plan: ShardPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    address = address.format(port=free_port())
    with pytest.raises(ServiceUnreachable, match=f"No Ray cluster can be reached at '{address}'") as refused:
        list(run_on_ray(plan, [0], address=address))
    assert "\n" not in str(refused.value)


def test_without_ray_the_extra_is_named(plan: ShardPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[ray\]'"):
        list(run_on_ray(plan, [0], address="auto"))

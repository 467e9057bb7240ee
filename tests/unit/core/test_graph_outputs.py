"""Tests of the names of a network's outputs."""

from typing import get_args

from petmood.core.graph_outputs import CLASS_MAPS, LOGITS, MEASURED, GraphOutput


def test_a_manifest_can_have_every_name() -> None:
    assert {LOGITS, CLASS_MAPS, *MEASURED} <= {*get_args(GraphOutput)}

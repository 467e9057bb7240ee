"""Order of tests marked `proof` and their distribution over processes, balanced for two workers."""

from collections.abc import Iterable
from typing import Final

import pytest

LONGEST_FIRST: Final = (
    "tests/e2e/test_monitoring_story.py",
    "tests/integration/test_sweep.py",
    "tests/e2e/test_workflows.py",
    "tests/e2e/test_life_cycle.py",
    "tests/e2e/test_repro.py",
    "tests/e2e/test_data_versions.py",
    "tests/integration/test_promotion.py",
    "tests/e2e/test_examples.py",
    "tests/integration/test_sweep_postgres.py",
    "tests/e2e/test_tutorial.py",
    "tests/integration/test_transfer.py",
    "tests/integration/test_vertex_job.py",
    "tests/e2e/test_accessibility.py",
    "tests/e2e/test_page_accessibility.py",
    "tests/integration/monitoring/test_alerts_live.py",
    "tests/integration/monitoring/test_alert_rules.py",
    "tests/e2e/test_landing.py",
    "tests/e2e/test_page.py",
    "tests/integration/service/test_shutdown.py",
    "tests/e2e/test_docs_site.py",
    "tests/e2e/test_bento.py",
    "tests/e2e/test_wheel.py",
)
"""Files that take more than half a minute; a long file that came last would keep one worker busy alone."""

INDEPENDENT: Final = (
    "tests/integration/test_killed_training.py",
    "tests/integration/test_registry_kills.py",
    "tests/integration/test_tracking.py",
    "tests/integration/test_tracking_servers.py",
)
"""Files whose proofs share nothing. Each may run anywhere, and they come last, where they fill up the shorter share."""


def group_by_file(items: list[pytest.Item]) -> None:
    """Let the proofs of a file run in one process, so that its fixtures are made once; the longest files come first.

    Another group is given by the mark ``xdist_group``. Other tests keep their place.
    """
    for item in _proofs(items):
        if _file(item) not in INDEPENDENT and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _proofs(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if item.get_closest_marker("proof")]


def _turn(item: pytest.Item) -> int:
    file = _file(item)
    if not item.get_closest_marker("proof") or file in INDEPENDENT:
        return len(LONGEST_FIRST) + 1
    return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)


def _group(item: pytest.Item) -> str:
    """Name a file's group; where a fixture of a whole module has several kinds, each kind is a group of its own."""
    parameters = getattr(item, "callspec", None)
    kind = parameters.params.get("kind") if parameters else None
    return f"{_file(item)}-{kind}" if kind else _file(item)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]

"""Count of the comparisons that a test set has decided, kept with the versions in the registry.

The file ``uses/TESTSET-CHAMPION.json`` is attached to a candidate for each test set and champion that it was compared
on. A test set is known by its photos: a data version with other training photos has the same one. A repeated
comparison of the same two versions counts once, since it adds nothing.
"""

import json
from typing import Final

from petmood.promotion.records import PromotionReport
from petmood.registry.base import Version
from petmood.registry.registry import Registry

__all__ = ["count_earlier_uses", "record_use"]

FOLDER: Final = "uses"
DIGITS: Final = 16
NOBODY: Final = "none"


def count_earlier_uses(registry: Registry, test_set: str, *, candidate: Version, champion: Version | None) -> int:
    """Return how many other comparisons of this model's versions were decided on this test set."""
    own = candidate.number, _name(test_set, champion.sha256 if champion else "")
    names = ((one.number, name) for one in registry.versions() for name in registry.attachments(one, FOLDER))
    return sum(name.startswith(f"{test_set[:DIGITS]}-") and (number, name) != own for number, name in names)


def record_use(registry: Registry, version: Version, report: PromotionReport, *, digest: str) -> None:
    """Record that a report's test set decided about a version; a report without predictions used no photos."""
    if report.held_out is None or not any(check.name == "superiority" for check in report.checks):
        return
    champion = report.champion.sha256 if report.champion else ""
    held_out = report.held_out
    facts = {"test_set": held_out.test_set, "data_hash": held_out.data_hash, "champion": champion}
    facts |= {"report": digest, "created": report.created}
    name = _name(held_out.test_set, champion)
    registry.attach(version, {f"{FOLDER}/{name}": json.dumps(facts).encode()})


def _name(test_set: str, champion: str) -> str:
    return f"{test_set[:DIGITS]}-{champion[:DIGITS] or NOBODY}.json"

"""Count of the comparisons that a test set has decided, kept with the versions in the registry.

The file ``uses/DATA-CHAMPION.json`` is attached to a candidate for each data version and champion that it was compared
on. A repeated comparison of the same two versions counts once, since it adds nothing.
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


def count_earlier_uses(registry: Registry, data_hash: str, *, candidate: Version, champion: Version | None) -> int:
    """Return how many other comparisons of this model's versions were decided on this data version."""
    own = candidate.number, _name(data_hash, champion.sha256 if champion else "")
    names = ((one.number, name) for one in registry.versions() for name in registry.attachments(one, FOLDER))
    return sum(name.startswith(f"{data_hash[:DIGITS]}-") and (number, name) != own for number, name in names)


def record_use(registry: Registry, version: Version, report: PromotionReport, *, digest: str) -> None:
    """Record that a report's test set decided about a version; a report without predictions used no photos."""
    if report.held_out is None or not any(check.name == "superiority" for check in report.checks):
        return
    champion = report.champion.sha256 if report.champion else ""
    facts = {"data_hash": report.held_out.data_hash, "champion": champion, "report": digest, "created": report.created}
    name = _name(report.held_out.data_hash, champion)
    registry.attach(version, {f"{FOLDER}/{name}": json.dumps(facts).encode()})


def _name(data_hash: str, champion: str) -> str:
    return f"{data_hash[:DIGITS]}-{champion[:DIGITS] or NOBODY}.json"

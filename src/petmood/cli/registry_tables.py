"""Text tables of registry versions, history and lineage."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from petmood.cli.registry_options import registry_command
from petmood.presentation.display_names import photos_of_split

if TYPE_CHECKING:
    from petmood.promotion.lineage import Lineage
    from petmood.registry.base import AliasChange, AliasState, Version

__all__ = ["history_text", "lineage_text", "photos_text", "versions_text"]


def versions_text(versions: Sequence["Version"], state: "AliasState") -> str:
    """Return a line a version: number, aliases, accuracy with interval and photos, data, manifest, time and author."""
    if not versions:
        return f"No versions yet. Register one with: {registry_command('push', 'bundles/first')}"
    lines = [f"{'version':<9}{'aliases':<20}{'accuracy':<53}{'data':<14}{'manifest':<14}registered"]
    lines += [
        f"{one.number:<9}{', '.join(state.of(one.number)):<20}{_accuracy(one):<53}{one.data_hash[:12]:<14}"
        f"{one.sha256[:12]:<14}{one.registered[:19]} {one.by}"
        for one in versions
    ]
    return "\n".join(lines)


def history_text(changes: Sequence["AliasChange"]) -> str:
    """Return a line a change: when, who, which alias from where to where, by which promotion report, and why."""
    if not changes:
        return "No promotions yet."
    return "\n".join(_change(one) for one in changes)


def lineage_text(found: "Lineage") -> str:
    """Return where an answer comes from, from the version down to the number of photos."""
    version = found.version
    counts = ", ".join(f"{count} {split}" for split, count in sorted(found.counts.items()))
    aliases = f" ({', '.join(found.aliases)})" if found.aliases else ""
    lines = [
        f"version  {version.number} of {version.model}{aliases}",
        f"bundle   {version.bundle} {version.bundle_version}, manifest {version.sha256}",
        f"run      {version.run or 'unknown'}, {version.backbone}, code {version.code_version}",
        f"data     {version.data_hash}",
        f"photos   {counts}; each with its hash: --photos",
    ]
    return "\n".join([*lines, *(f"history  {_change(one)}" for one in found.changes)])


def photos_text(found: "Lineage") -> str:
    """Return every photo of the data version as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("sha256", "split", "role", "label", "path"))
    writer.writerows((one.sha256, one.split, one.role, one.label, one.path) for one in found.photos)
    return text.getvalue().rstrip("\n")


def _accuracy(version: "Version") -> str:
    found = version.accuracy or {}
    if found.get("value") is None:
        return "not evaluated"
    ends = [found.get("low"), found.get("high")]
    interval = f" [{', '.join(f'{end:.1%}' for end in ends)}]" if None not in ends else ""
    photos = f", {photos_of_split(found['split'])}" if found.get("split") else ""
    return f"{found['value']:.1%}{interval}{photos}"


def _change(change: "AliasChange") -> str:
    if change.kind == "moved_outside":
        ends = f"from {change.before or 'none'} to {change.to or 'none'}"
        noticed = f", noticed at {change.at[:19]}" if change.at else ""
        return f"{change.number}. {change.alias} was changed outside petmood {ends}, time unknown{noticed}"
    before = f" from {change.before}" if change.before else ""
    report = f", report {change.report[:12]}" if change.report else ""
    reason = f": {change.reason}" if change.reason else ""
    kind = change.kind.replace("_", " ")
    moved = f"{kind} {change.alias}{before} to {change.to}{report}{reason}"
    return f"{change.number}. {change.at[:19]} {change.author} {moved}"

"""Promotion of a model version: fetch it, run the promotion checks against the champion, move the alias on success."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError, ConfigError, CorruptVersion, DataError, PromotionRejected
from petmood.core.files import sha256_of
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import read_index
from petmood.pipelines.run_folder import find_dataset
from petmood.promotion.held_out import hash_test_set
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import PromotionReport
from petmood.promotion.reuse import count_earlier_uses, record_use
from petmood.promotion.run_checks import run_promotion_checks
from petmood.registry.base import CHAMPION, AliasChange, Author, Version
from petmood.registry.cache import cached
from petmood.registry.registry import Registry
from petmood.reports.promotion import write_promotion_report

__all__ = ["PromotionResult", "promote", "read_limits"]

REPORTS = ("promotion.json", "promotion.md", "promotion.html")


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """A completed promotion, and the report of the checks that allowed it."""

    change: AliasChange
    report: PromotionReport


def promote(
    registry: Registry,
    version: Version,
    *,
    alias: str,
    by: Author,
    data: Path | None = None,
    limits: PromotionLimits | None = None,
    report_folder: Path | None = None,
    progress: ProgressBar = no_progress,
) -> PromotionResult:
    """Check a version against the champion on held-out photos, and move the alias to it if the checks pass.

    ``data`` is the dataset to evaluate on; by default the one that the version was trained on. The report is attached
    to the version, whether it passed or not, and also written into the folder ``report_folder``.

    Raises:
        PromotionRejected: a check failed (one line for each), or the bundle of the version is corrupted.
        RegistryConflict: another process changed the registry in the meantime.
        RegistryError: the alias points to it already, the champion can't be fetched, or the registry can't be reached.
        DataError: there are no photos to evaluate on.
    """
    seen = registry.state()
    registry.check_promotable(version, alias=alias, seen=seen)
    champion = _champion(registry, seen.aliases.get(CHAMPION), but=version)
    candidate = _candidate(registry, version)
    data = data or _own_data(registry, candidate)
    against = registry.find(str(seen.aliases[CHAMPION])) if champion is not None else None
    report = run_promotion_checks(
        candidate.folder,
        champion.folder if champion is not None else None,
        data=data,
        earlier_uses=count_earlier_uses(registry, hash_test_set(read_index(data)), candidate=version, champion=against),
        limits=limits or PromotionLimits(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        progress=progress,
    )
    digest = _keep(registry, version, report, folder=report_folder)
    record_use(registry, version, report, digest=digest)
    if not report.passed:
        lines = "\n".join(f"  {line}" for line in (*report.failed, report.reuse_text()) if line)
        raise PromotionRejected(f"Version {version.number} of {registry.model} may not become {alias}:\n{lines}")
    change = registry.promote(version, alias=alias, by=by, seen=seen, report=digest)
    return PromotionResult(change, report)


def read_limits(texts: Sequence[str]) -> PromotionLimits:
    """Parse promotion limits such as ``criterion=non_inferior`` or ``max_latency_ratio=2``; others keep their default.

    Raises:
        ConfigError: an unknown name or an invalid value.
    """
    known: dict[str, Callable[[str], Any]] = {one.name: one.default.__class__ for one in fields(PromotionLimits)}
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in known:
            raise ConfigError(f"Unknown promotion limit {name!r}. Known: {', '.join(known)}.")
        try:
            given[name] = value if name == "criterion" else known[name](value)
        except ValueError as error:
            advice = "" if equals else f" Write NAME=VALUE, such as {name}={_default(name)}."
            raise ConfigError(f"Expected a number for the promotion limit {name}, got {value!r}.{advice}") from error
    return PromotionLimits(**given)


def _default(name: str) -> Any:  # noqa: ANN401 - a limit's value
    return next(one.default for one in fields(PromotionLimits) if one.name == name)


def _champion(registry: Registry, number: int | None, *, but: Version) -> Bundle | None:
    if number is None or number == but.number:
        return None
    return cached(registry, registry.find(str(number)))


def _candidate(registry: Registry, version: Version) -> Bundle:
    try:
        return cached(registry, version)
    except (BundleError, CorruptVersion) as error:
        raise PromotionRejected(f"Version {version.number} of {registry.model} is corrupted: {error}") from error


def _own_data(registry: Registry, bundle: Bundle) -> Path:
    """Return the dataset that a bundle names; a relative path is looked for here, and above the registry and the run.

    Raises:
        DataError: there is none.
    """
    manifest = bundle.manifest
    path = manifest.config.get("data", {}).get("path")
    if not path:
        raise DataError("The dataset of this version is unknown. Name one with --data FOLDER.")
    runs, name = manifest.config.get("run", {}).get("folder"), manifest.metrics.get("run")
    stored = Path(registry.address.removeprefix("sqlite:///"))
    near = [place for place in (stored, *([Path(runs, name)] if runs and name else [])) if place.exists()]
    if (found := find_dataset(Path(path), near=near, data_hash=manifest.data_hash)) is None:
        places = [str(Path.cwd()), *(f"a folder above {place}" for place in near)]
        where = "" if Path(path).is_absolute() else f": looked in {', '.join(places)}"
        raise DataError(f"The dataset {path} of this version is not here{where}. Name one with --data FOLDER.")
    return found


def _keep(registry: Registry, version: Version, report: PromotionReport, *, folder: Path | None) -> str:
    """Attach the report to the version, and return the SHA-256 of its JSON, which identifies it in the registry."""
    with TemporaryDirectory(prefix="petmood-") as temporary:
        target = folder or Path(temporary)
        write_promotion_report(report, target)
        digest = sha256_of(target / "promotion.json")
        registry.attach(version, {f"promotion/{digest[:16]}/{name}": (target / name).read_bytes() for name in REPORTS})
    return digest

"""Retraining: from a data version to a registered candidate that has had the promotion checks."""

from dataclasses import dataclass
from pathlib import Path

from petmood.configs.schema import Config
from petmood.core.errors import PromotionRejected
from petmood.core.progress import ProgressBar, no_progress
from petmood.pipelines.end_to_end import PipelineResult, run_pipeline
from petmood.pipelines.promote import PromotionResult, promote
from petmood.promotion.limits import PromotionLimits
from petmood.registry.base import Author, Version
from petmood.registry.registry import Registry

__all__ = ["RetrainResult", "retrain"]


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """The trained candidate, its version, and what became of it.

    ``promotion`` is None if the checks rejected it, ``rejected`` then says why; both are None if the alias pointed to
    this version before.
    """

    pipeline: PipelineResult
    version: Version
    promotion: PromotionResult | None = None
    rejected: PromotionRejected | None = None


def retrain(
    config: Config,
    registry: Registry,
    *,
    alias: str,
    by: Author,
    bundles: Path = Path("bundles"),
    limits: PromotionLimits | None = None,
    report_folder: Path | None = None,
    progress: ProgressBar = no_progress,
) -> RetrainResult:
    """Train, evaluate and export what is not up to date, register the bundle, and move the alias if the checks pass.

    The candidate is compared with the champion on the held-out photos of its own data version. It stays registered if
    the checks reject it. The same settings and data give the same version. One that the alias had before, such as one
    that was rolled back, is rejected: a person may promote it.

    Raises:
        DataError: the data is missing, or validation found a blocking issue.
        RegistryConflict: another process changed the registry in the meantime.
        RegistryError: the registry can't be reached, or the champion can't be fetched.
        As ``run_pipeline``.
    """
    pipeline = run_pipeline(config, bundles=bundles, progress=progress)
    version = registry.push(pipeline.bundle, by=by.name)
    if registry.state().aliases.get(alias) == version.number:
        return RetrainResult(pipeline, version)
    if any(change.alias == alias and change.to == version.number for change in registry.history()):
        return RetrainResult(pipeline, version, rejected=_replaced_before(version, alias))
    try:
        promoted = promote(
            registry,
            version,
            alias=alias,
            by=by,
            data=pipeline.data,
            limits=limits,
            report_folder=report_folder,
            progress=progress,
        )
    except PromotionRejected as error:
        return RetrainResult(pipeline, version, rejected=error)
    return RetrainResult(pipeline, version, promotion=promoted)


def _replaced_before(version: Version, alias: str) -> PromotionRejected:
    return PromotionRejected(
        f"Version {version.number} of {version.model} was {alias} before and was replaced. It has the same data and "
        "settings, so nothing is new. To decide otherwise use `petmood registry promote`."
    )

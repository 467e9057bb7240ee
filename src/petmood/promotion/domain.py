"""Promotion check of photos without a pet: a candidate refuses them, and few of the held-out photos."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.image import prepare
from petmood.data.index import IndexRow
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.non_pets import non_pets
from petmood.inference.load import BundlePredictor
from petmood.presentation.display_names import percent_text
from petmood.promotion.compare import prepared_photos
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check

__all__ = ["DomainAnswers", "check_domain", "domain_answers"]

BATCH: Final = 16
NAME: Final = "domain"


@dataclass(frozen=True, slots=True)
class DomainAnswers:
    """What a bundle refuses as out of its domain: a share of held-out photos, and a number of images without a pet."""

    held_out: Estimate
    refused: int
    images: int


def domain_answers(predictor: BundlePredictor, *, data: Path, rows: Sequence[IndexRow]) -> DomainAnswers | None:
    """Return what a bundle refuses of held-out photos of a dataset, and of images without a pet.

    None for a bundle without a domain rule. Drawn animals are left out: a person's dataset may hold drawings.

    Raises:
        BundleError: the network of the domain scores can't run.
        DataError: a photo can't be read, or its hash differs from the index.
    """
    manifest = predictor.bundle.manifest
    if manifest.domain is None:
        return None
    others = (prepare(one.pixels, manifest.image) for one in non_pets(drawings=False))
    groups = np.unique([row.group_id for row in rows], return_inverse=True)[1]
    held_out = list(_refused(predictor, prepared_photos(manifest.image, data=data, rows=rows)))
    of_others = list(_refused(predictor, others))
    return DomainAnswers(estimate_proportion(held_out, groups), sum(of_others), len(of_others))


def check_domain(candidate: DomainAnswers | None, champion: DomainAnswers | None, limits: PromotionLimits) -> Check:
    """Check that a candidate refuses images without a pet, and not more held-out photos than allowed.

    A candidate without a domain rule passes unless the champion has one.
    """
    share, most = limits.min_non_pets_refused, limits.max_false_alarms
    limit = f"at least {share:.0%} of images without a pet, not significantly more than {most:.0%} of held-out photos"
    if candidate is None:
        sentence = "The candidate gives a class to every photo, to one without a pet as well"
        but = "; the champion refuses such photos." if champion else "."
        return Check(NAME, champion is None, "no domain rule", limit, sentence + but)
    found, alarms = candidate.refused / candidate.images, candidate.held_out
    sentence = (
        f"{candidate.refused} of {candidate.images} images without a pet are refused, and of {alarms.n} held-out "
        f"photos {percent_text(alarms)}."
    )
    numbers = {"non_pets_refused": found, "false_alarms": alarms.value}
    if champion is not None:
        numbers |= {
            "champion_non_pets_refused": champion.refused / champion.images,
            "champion_false_alarms": champion.held_out.value,
        }
    passed = found >= share and alarms.low <= most
    return Check(NAME, passed, f"{found:.1%}; {percent_text(alarms)}", limit, sentence, numbers)


def _refused(predictor: BundlePredictor, images: Iterable[NDArray[np.uint8]]) -> Iterator[bool]:
    rule, left = predictor.bundle.manifest.domain, iter(images)
    while some := list(islice(left, BATCH)):
        for scores in predictor.domain_scores(np.stack(some)):
            yield rule is not None and scores is not None and rule.warning(scores) is not None

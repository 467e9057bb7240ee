"""Prediction of one shard, and what is tried next when the process that predicts it is killed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from petmood.core.errors import BundleError, OutputError, OutputLocked, WorkerKilled
from petmood.core.files import atomic_write_chunks
from petmood.core.locks import exclusive_lock
from petmood.core.names import printable
from petmood.core.photo_source import FoundPhoto
from petmood.inference.base import Answer, Predictor, answer_response
from petmood.inference.load import load_bundle
from petmood.inference.shard_plan import ShardPlan, find_plan

__all__ = ["Attempt", "after_kill", "predict_shard"]

ONE_BY_ONE_FROM: Final = 2
"""Number of kills after which photos are predicted one by one, so that the next kill says at which."""
MAX_KILLS: Final = 5
MAX_LEFT_OUT: Final = 10
LOCK_POLL_S: Final = 0.1
LOCK_WAIT_S: Final = 600.0
"""How long a shard that another process predicts is waited for."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A shard to predict: how often its process was killed, the photo at which it was last, and those to leave out.

    Photos are positions in the shard, from 0.
    """

    shard: int
    kills: int = 0
    suspect: int | None = None
    left_out: frozenset[int] = frozenset()

    @property
    def one_by_one(self) -> bool:
        """Whether photos are predicted one by one."""
        return self.kills >= ONE_BY_ONE_FROM


def predict_shard(folder: Path, attempt: Attempt, *, threads: int = 1) -> None:
    """Write the results of a shard, one JSON line for each photo in order; nothing is done if they are there.

    The bundle is loaded at a process's first shard. The file appears when it is complete. A second process waits until
    the first has written it.

    Raises:
        OutputError: the folder has no plan, or can't be read.
        OutputLocked: another process still predicts the shard after ten minutes.
        BundleError: the bundle was changed.
        OSError: the results can't be written.
    """
    plan, predictor = _opened(folder, threads)
    target = plan.result(attempt.shard)
    until = time.monotonic() + LOCK_WAIT_S
    while not target.exists():
        try:
            with exclusive_lock(target):
                if not target.exists():
                    atomic_write_chunks(target, _lines(plan, predictor, attempt))
                    plan.position_file(attempt.shard).unlink(missing_ok=True)
        except OutputLocked:
            if time.monotonic() > until:
                raise
            time.sleep(LOCK_POLL_S)


def after_kill(plan: ShardPlan, attempt: Attempt) -> Attempt:
    """Return the next attempt at a shard whose process was killed; a photo that two died at is left out.

    Raises:
        WorkerKilled: the shard was tried five times, and no one photo is the reason.
    """
    kills = attempt.kills + 1
    position = _position(plan, attempt.shard)
    if position is not None and position == attempt.suspect and len(attempt.left_out) < MAX_LEFT_OUT:
        return Attempt(attempt.shard, kills=ONE_BY_ONE_FROM, left_out=attempt.left_out | {position})
    if kills >= MAX_KILLS:
        raise WorkerKilled(
            f"Shard {attempt.shard} was given up: the processes that predicted it were killed, {kills} times in a row. "
            "See whether memory runs out, and run the same command again; the other shards are kept."
        )
    return replace(attempt, kills=kills, suspect=position)


@lru_cache(maxsize=1)
def _opened(folder: Path, threads: int) -> tuple[ShardPlan, Predictor]:
    plan = find_plan(folder)
    if plan is None:
        raise OutputError(
            f"Expected a plan of shards in {folder}, got none. Every machine needs this folder at the same path."
        )
    predictor = load_bundle(plan.bundle, threads=threads)
    if predictor.model != plan.manifest.bundle:
        raise BundleError(f"{plan.bundle} is another bundle than that of the shards. Choose another --output.")
    return plan, predictor


def _lines(plan: ShardPlan, predictor: Predictor, attempt: Attempt) -> Iterator[bytes]:
    photos = plan.photos(attempt.shard)
    answers = _answers(plan, predictor, attempt, photos)
    for position, one in enumerate(photos):
        if position in attempt.left_out:
            answer: Answer = WorkerKilled(
                "The processes that predicted it were killed, twice. Predict it alone, with more memory."
            )
        else:
            answer = one.problem or next(answers)
        body = answer_response(printable(str(one.path)), answer)
        yield body.model_dump_json().encode() + b"\n"


def _answers(plan: ShardPlan, predictor: Predictor, attempt: Attempt, photos: list[FoundPhoto]) -> Iterator[Answer]:
    """Yield the answers of the photos that have no problem and are not left out."""
    wanted = [at for at, one in enumerate(photos) if not one.problem and at not in attempt.left_out]
    if not attempt.one_by_one:
        yield from predictor.predict_many(photos[at].path for at in wanted)
        return
    for at in wanted:
        plan.position_file(attempt.shard).write_text(str(at), "ascii")  # read if this process is killed
        yield from predictor.predict_batch([photos[at].path])


def _position(plan: ShardPlan, shard: int) -> int | None:
    """Return the photo at which a process was killed, and forget it: the next may be killed before its first."""
    path = plan.position_file(shard)
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
    finally:
        path.unlink(missing_ok=True)

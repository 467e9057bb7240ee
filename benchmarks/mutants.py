"""Mutation score: the share of small changes of the code that its unit tests notice (mutmut). Target: 90% a package.

python -m benchmarks.mutants [PACKAGE ...] [--digits 37] [--processes N] [--survivors FILE [--again]], or make mutants

Every package is mutated in a copy of the tracked files, and tested by its own unit tests. A survivor is a change that
no test notices. Survivors of the kinds in ``EQUIVALENT`` change no result; they count as survivors all the same, and
are listed by kind. ``--digits`` takes a systematic sample: only the mutants whose number ends in one of these digits.
Tests that were written for the survivors of one digit are measured by another.
``--survivors FILE`` keeps the survivors; results of other digits of the same code are kept beside them. With
``--again``, only the survivors in FILE are tested, as after new tests, unless the code has changed since.
"""

import argparse
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.common import report
from petmood.evaluation.proportions import clopper_pearson_interval

__all__ = ["PACKAGES", "Package", "Result", "Survivor", "changed_words", "main", "measure"]

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = 0.9
DIGITS: Final = "0123456789"


@dataclass(frozen=True, slots=True)
class Package:
    """Files that are mutated and the tests that must notice; both are paths relative to the repository."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


PACKAGES: Final[Mapping[str, Package]] = {
    "core": Package(("src/petmood/core/*",), ("tests/unit/core",)),
    "data": Package(
        ("src/petmood/data/*",),
        ("tests/unit/data",),
        # Drawn images have no right value; the others are packages of their own here, or need a network.
        without=("src/petmood/data/synthetic/*", "src/petmood/data/duplicates/*", "src/petmood/data/sources/kaggle.py"),
    ),
    "duplicates": Package(("src/petmood/data/duplicates/*",), ("tests/unit/data/duplicates",)),
    "evaluation": Package(
        ("src/petmood/evaluation/*",),
        ("tests/unit/evaluation",),
        without=("src/petmood/evaluation/non_pet_drawings.py", "src/petmood/evaluation/non_pet_texts.py"),  # drawn too
    ),
    "promotion": Package(("src/petmood/promotion/*",), ("tests/unit/promotion",)),
    "monitoring": Package(
        ("src/petmood/monitoring/*",),
        ("tests/unit/monitoring",),
        without=("src/petmood/monitoring/prediction_log/migrations/*",),  # databases exist that these have made
    ),
}
SINGLE_THREADED: Final = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
"""Environment without threads: a process that is forked where OpenCV has used its threads hangs, and a mutant whose
tests hang counts as noticed."""
KILLED: Final = frozenset({1, 3, 36, 37, 24, 152, 255, -24, -9, -11})
"""mutmut's exit codes of a mutant that was noticed: a test failed, hung or crashed."""
EQUIVALENT: Final[Mapping[str, str]] = {
    r"dtype=|np\.(asarray|float64|float32|int64|bool_)": "an array that has this type already, or a wider one",
    r"strict=|zip\(": "sequences of equal length",
    r"encoding=|errors=|newline=": "text encodings: the same bytes on a UTF-8 system",
    r"slots=|frozen=": "records that nobody changes",
    r"XX|\"[^\"]*\"|'[^']*'": "the words of a message",
}
"""Kinds of changes that survive without a wrong result: pattern of the changed text, and the reason."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no test noticed: mutmut's name of it, and the lines before and after."""

    name: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """Return why the change may make no difference, or "no test notices it"."""
        changed = " ".join(changed_words(self.before, self.after))
        return next((why for pattern, why in EQUIVALENT.items() if re.search(pattern, changed)), "no test notices it")


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one package: a hash of the mutated files, the mutants tested by last digit, and the survivors."""

    code: str
    tested: Mapping[str, int]
    survivors: tuple[Survivor, ...]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        survivors = tuple(Survivor(one["name"], one["before"], one["after"]) for one in stored["survivors"])
        return cls(stored["code"], stored["tested"], survivors)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        survivors = [{**asdict(one), "kind": one.kind} for one in self.survivors]
        return {"code": self.code, "tested": dict(self.tested), "survivors": survivors}

    @property
    def mutants(self) -> int:
        """Return how many mutants were tested."""
        return sum(self.tested.values())

    @property
    def score(self) -> float:
        """Return the share of the mutants that were noticed."""
        return 1 - len(self.survivors) / self.mutants

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95% interval of the score of all mutants: exact for a sample, the score itself without one."""
        if len(self.tested) == len(DIGITS):
            return self.score, self.score
        return clopper_pearson_interval(self.mutants - len(self.survivors), self.mutants)

    def joined(self, newer: Self) -> Self:
        """Return both outcomes as one; the newer counts for the digits of both, and alone if the code changed."""
        if self.code != newer.code:
            return newer
        older = tuple(one for one in self.survivors if one.name[-1] not in newer.tested)
        return replace(newer, tested={**self.tested, **newer.tested}, survivors=older + newer.survivors)


def measure(name: str, *, wanted: Sequence[str], processes: int) -> Result:
    """Mutate one package, test the mutants whose names match one of ``wanted`` (all, if empty), list the survivors."""
    package = PACKAGES[name]
    with tempfile.TemporaryDirectory(prefix="petmood-mutants-") as made:
        copy = Path(made) / "petmood"
        _copy_tracked_files(copy)
        _configure(copy, package)
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *wanted]
        environment = {**os.environ, **SINGLE_THREADED, "PYTHONPATH": str(copy)}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        codes = dict(_exit_codes(copy))
        if not codes:
            raise SystemExit(f"mutmut tested nothing of {name}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        survivors = _survivors(copy, [mutant for mutant, code in codes.items() if code not in KILLED])
    return Result(_code_hash(package), Counter(mutant[-1] for mutant in codes), survivors)


def _again(name: str, before: Result, *, processes: int) -> Result:
    """Test the survivors of an earlier run once more: with tests that were added since, fewer survive."""
    if before.code != _code_hash(PACKAGES[name]):
        raise SystemExit(f"{name}: the mutated code has changed since its survivors were written. Run without --again.")
    if not before.survivors:
        return before
    found = measure(name, wanted=[one.name for one in before.survivors], processes=processes)
    return replace(before, survivors=found.survivors)


def _report(name: str, result: Result, *, minutes: float) -> None:
    report(
        f"mutants: {name}, survivors",
        ratio=1 - result.score,
        target=1 - TARGET,
        details={
            "mutants": result.mutants,
            "last_digits": "".join(sorted(result.tested)),
            "killed": result.mutants - len(result.survivors),
            "score": round(result.score, 4),
            "interval": [round(end, 4) for end in result.interval],
            "survivors_by_kind": dict(Counter(one.kind for one in result.survivors).most_common()),
            "minutes": round(minutes, 1),
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the named packages, or all; write the survivors to a file if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of: {', '.join(PACKAGES)} (default: all)")
    parser.add_argument("--digits", default=DIGITS, help="test only mutants whose number ends in one of these")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--survivors", type=Path, metavar="FILE", help="write the survivors to this JSON file")
    parser.add_argument("--again", action="store_true", help="test only the survivors in that file")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.packages) - set(PACKAGES)):
        parser.error(f"expected packages of {', '.join(PACKAGES)}, got {', '.join(unknown)}")
    if chosen.again and not chosen.survivors:
        parser.error("--again needs --survivors FILE, an earlier run's")
    if not chosen.digits or set(chosen.digits) - set(DIGITS):
        parser.error(f"--digits: expected some of {DIGITS}, got {chosen.digits}")
    file: Path | None = chosen.survivors
    kept = json.loads(file.read_text("utf-8")) if file and file.exists() else {}
    for name in chosen.packages or (list(kept) if chosen.again else PACKAGES):
        began = time.monotonic()
        if chosen.again:
            result = _again(name, Result.from_json(kept[name]), processes=chosen.processes)
        else:
            wanted = [] if set(chosen.digits) == set(DIGITS) else [f"*_mutmut_*{digit}" for digit in chosen.digits]
            result = measure(name, wanted=wanted, processes=chosen.processes)
            result = Result.from_json(kept[name]).joined(result) if name in kept else result
        _report(name, result, minutes=(time.monotonic() - began) / 60)
        kept[name] = result.to_json()
        if file:
            file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0


def _copy_tracked_files(target: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def _configure(copy: Path, package: Package) -> None:
    """Append mutmut's settings to the copy's pyproject.toml: it reads them nowhere else."""
    settings = {
        "source_paths": ["src"],
        "only_mutate": list(package.files),
        "do_not_mutate": list(package.without),
        "pytest_add_cli_args_test_selection": list(package.tests),
        "pytest_add_cli_args": ["-q", "-m", "not proof", "-p", "no:cacheprovider"],
        "also_copy": ["docs", "benchmarks", "deploy", "examples", "README.md"],
        "use_git_change_detection": False,
        "process_isolation": "forkserver",  # libraries with threads hang in a fork of a process that has used them
        "timeout_multiplier": 60.0,  # the default of 15 takes a busy machine for a test that hangs
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n" + "\n".join(lines) + "\n")


def _code_hash(package: Package) -> str:
    """Return a hash of the mutated files: the names of mutants count within a function of one version of the code."""
    found = sorted({path for pattern in package.files for path in ROOT.glob(pattern.removesuffix("*") + "**/*.py")})
    kept = [path for path in found if not any(fnmatch(str(path.relative_to(ROOT)), one) for one in package.without)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in kept)).hexdigest()[:16]


def _exit_codes(copy: Path) -> Iterator[tuple[str, int]]:
    """Yield every mutant that was tested, and the exit code of its tests."""
    for path in sorted((copy / "mutants" / "src").rglob("*.meta")):
        for mutant, code in json.loads(path.read_text("utf-8"))["exit_code_by_key"].items():
            if code is not None:
                yield mutant, code


def _survivors(copy: Path, names: Sequence[str]) -> tuple[Survivor, ...]:
    """Return the changes with these names; one process reads all of them."""
    program = "import json, sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as diff; "
    program += "print(json.dumps([diff(name) for name in json.load(sys.stdin)]))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=copy, input=json.dumps(names), capture_output=True, text=True, check=True)
    found = []
    for name, shown in zip(names, json.loads(done.stdout), strict=True):
        lines = shown.splitlines()
        before = "\n".join(line[1:] for line in lines if re.match(r"-(?!--)", line))
        after = "\n".join(line[1:] for line in lines if re.match(r"\+(?!\+\+)", line))
        found.append(Survivor(name, before, after))
    return tuple(found)


def changed_words(before: str, after: str) -> tuple[str, str]:
    """Return the words that differ between two versions of the same lines."""
    old, new = (re.findall(r"\w+=?|\"[^\"]*\"|\S", text) for text in (before, after))
    before_words, after_words = list[str](), list[str]()
    for tag, a, b, c, d in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag != "equal":
            before_words += old[a:b]
            after_words += new[c:d]
    return " ".join(before_words), " ".join(after_words)


if __name__ == "__main__":
    sys.exit(main())

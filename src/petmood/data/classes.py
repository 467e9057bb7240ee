"""The classes of a dataset, from the labels that its source gives: renamed, checked and counted before any decoding."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import ConfigError, DataError
from petmood.core.labels import DEFAULT_CLASSES, MAX_LABEL_LENGTH, is_label, normalize_label, similar_label
from petmood.core.names import printable
from petmood.data.index import IndexRow
from petmood.data.sources.base import SourcePhoto
from petmood.data.wording import counted

__all__ = [
    "ClassOptions",
    "ResolvedClasses",
    "check_known_labels",
    "labels_of",
    "parse_class_options",
    "resolve_classes",
]


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """What the user says about classes.

    `renamed` maps a label of the source to the class that it becomes; a label mapped to itself is taken as it is.
    `allowed` are the only classes of the dataset; empty takes every class that the source has.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedClasses:
    """Entries with their final labels, the classes that the dataset must have, sorted, and lines for the user."""

    entries: tuple[SourcePhoto, ...]
    classes: tuple[str, ...]
    notices: tuple[str, ...]


def parse_class_options(renamed: Iterable[str], *, allowed: str = "") -> ClassOptions:
    """Parse the texts of `--map OLD=NEW` and of `--classes A,B,C`; names are brought to their normal form.

    Raises:
        ConfigError: a text without "=", a label mapped twice, or a name that no class can have.
    """
    found: dict[str, str] = {}
    for text in renamed:
        old, equals, new = text.partition("=")
        old, new = normalize_label(old), normalize_label(new)
        if not (equals and old and new):
            raise ConfigError(f"Expected --map OLD=NEW with two class names, got '{printable(text)}'.")
        if found.setdefault(old, new) != new:
            raise ConfigError(f"--map gives '{printable(old)}' two classes, '{found[old]}' and '{new}'. Give one.")
    names = tuple(sorted({normalize_label(name) for name in allowed.split(",")} - {""}))
    for name in (*found.values(), *names):
        if not is_label(name):
            raise ConfigError(f"'{printable(name)}' can't be a class. {_allowed_names()}")
    if allowed and len(names) < 2:
        raise ConfigError(f"Expected two classes or more in --classes, separated by commas, got '{allowed}'.")
    return ClassOptions(found, names)


def resolve_classes(
    found: Sequence[SourcePhoto], options: ClassOptions, *, known: tuple[str, ...] = ()
) -> ResolvedClasses:
    """Rename labels and decide on the classes of a dataset.

    `known` are the classes of a published source; a photo of another class gets the problem "unknown_class", as with
    `options.allowed`. Without either, every class is taken, those outside of the default set with a notice.

    Raises:
        DataError: a name that is a typo of another class or can't be a class, an option that names a class without
            photos, or fewer than two classes. The message has the number of photos of each class concerned.
    """
    counts = _label_counts(found)
    if unused := sorted(set(options.renamed) - set(counts)):
        raise DataError(f"No photo has '{printable(unused[0])}', which --map names. The source has: {_listed(counts)}.")
    renamed = [
        replace(entry, label=options.renamed.get(entry.label, entry.label)) if entry.label else entry for entry in found
    ]
    counts = _label_counts(renamed)
    only = options.allowed or known
    if only:
        if empty := [label for label in options.allowed if not counts[label]]:
            raise DataError(f"--classes names {_quoted(empty)}, without a photo. The source has: {_listed(counts)}.")
        entries = tuple(_only(entry, only) for entry in renamed)
        classes = only
    else:
        kept = frozenset(new for old, new in options.renamed.items() if old == new)
        _check_names(counts, kept=kept)
        entries, classes = tuple(renamed), tuple(sorted(counts))
    counts = _label_counts(entries)
    if len(counts) < 2:
        raise DataError(
            f"Expected photos of two classes or more, got: {_listed(counts)}. "
            "Each class needs a folder of its own, or its name in the column 'label'."
        )
    return ResolvedClasses(entries, classes, tuple(_notices(counts, classes)))


def check_known_labels(labels: Iterable[str], *, classes: Sequence[str], owner: str = "the model") -> None:
    """Raise DataError in one line if photos have labels that are none of a model's classes; ``owner`` names it."""
    if unknown := sorted(set(labels) - set(classes)):
        raise DataError(
            f"The photos have {_quoted(unknown)}, but the classes of {owner} are {', '.join(classes)}. "
            "Rename classes at the import with --map OLD=NEW, or train on this dataset."
        )


def labels_of(rows: Sequence[IndexRow], *, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the class index of each row, int64 [N]: its position in ``classes``.

    Raises:
        DataError: a row has a label that is none of the classes.
    """
    check_known_labels({row.label for row in rows}, classes=classes)
    column = {label: k for k, label in enumerate(classes)}
    return np.array([column[row.label] for row in rows], dtype=np.int64)


def _label_counts(entries: Iterable[SourcePhoto]) -> Counter[str]:
    return Counter(entry.label for entry in entries if entry.label and not entry.problem)


def _only(entry: SourcePhoto, allowed: Sequence[str]) -> SourcePhoto:
    if entry.label is None or entry.label in allowed:
        return entry
    problem = entry.problem or f"unknown class '{printable(entry.label)}'; known: {', '.join(allowed)}"
    return replace(entry, label=None, problem=problem, code=entry.code or "unknown_class")


def _check_names(counts: Mapping[str, int], *, kept: frozenset[str]) -> None:
    """Raise one DataError for all names that can't be a class or look like a typo of another class."""
    refused = []
    for label, photos in sorted(counts.items()):
        shown, size = printable(label), counted(photos, "photo")
        if not is_label(label):
            refused.append(f"  '{shown}' ({size}) can't be a class: --map \"{shown}=NAME\" gives it a name.")
        elif label not in DEFAULT_CLASSES and label not in kept:
            larger = [other for other, count in counts.items() if (count, label) > (photos, other)]
            if near := similar_label(label, [*DEFAULT_CLASSES, *larger]):
                refused.append(
                    f"  '{label}' ({size}) looks like '{near}': --map \"{label}={near}\" renames it, "
                    f'--map "{label}={label}" takes it as a class of its own.'
                )
    if refused:
        many = counted(len(refused), "class name needs", "class names need")
        raise DataError(f"{many} a decision; nothing was imported.\n" + "\n".join(refused) + f"\n{_allowed_names()}")


def _notices(counts: Mapping[str, int], classes: Sequence[str]) -> Iterable[str]:
    new = {label: counts[label] for label in classes if label not in DEFAULT_CLASSES}
    if new:
        yield f"Classes outside of the default set ({', '.join(DEFAULT_CLASSES)}), taken as they are: {_listed(new)}."


def _allowed_names() -> str:
    return (
        f"A class has 1 to {MAX_LABEL_LENGTH} letters, digits, spaces, '-' or '_', and begins with a letter or digit."
    )


def _listed(counts: Mapping[str, int]) -> str:
    shown = ", ".join(
        f"{printable(label)} ({counted(photos, 'photo')})" for label, photos in sorted(counts.items())[:20]
    )
    return (shown or "no labeled photo") + (f" and {len(counts) - 20} more" if len(counts) > 20 else "")


def _quoted(labels: Sequence[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels)

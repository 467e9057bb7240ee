"""Animals that the real photos show more than once, by a person's notes. No search decides what is listed here."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["NOTED", "SEEN", "first_of_each_animal"]

NOTED: Final = (
    ("Other/10.jpg", "Other/58.jpg", "Angry/72.jpg"),  # a goat
    ("Other/43.jpg", "Sad/037.jpg"),  # a cat
    ("Other/49.jpg", "Other/51.jpg"),  # a puppy
)
"""Same animals, from the dataset's notes."""
SEEN: Final = (
    ("Angry/71.jpg", "Angry/76.jpg"),  # a tabby cat, also in valid/Angry/40
    ("Angry/18.jpg", "Angry/56.jpg"),  # a cat with one dark nostril: found by the search
    ("Other/51.jpg", "Sad/091.jpg"),  # the puppy again: NOT found by the search, 7 of 9 positions
)
"""Same animals that are not in the notes, found by visual inspection of the search's near misses."""


def first_of_each_animal(paths: Collection[Path]) -> list[Path]:
    """Return the paths CLASS/NAME without copies (``aug-N-NAME``), and without second photos of a known animal."""
    seconds = {name for names in NOTED + SEEN for name in names[1:]}
    return [
        path
        for path in sorted(paths)
        if not path.name.startswith("aug-") and f"{path.parent.name}/{path.name}" not in seconds
    ]

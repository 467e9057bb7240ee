"""Predict photos with a bundle, in Python. It needs the extra 'serve' alone: no torch.

Usage: python examples/predict.py BUNDLE PHOTO...
"""

import sys
from pathlib import Path

from petmood.core.errors import PetmoodError
from petmood.inference.load import load_bundle


def main(folder: str, *photos: str) -> None:
    """Print one line a photo: the label with its probability, or why there is none."""
    predictor = load_bundle(Path(folder))  # verifies every file's hash and the golden photos
    for photo, found in zip(photos, predictor.predict([Path(photo) for photo in photos]), strict=True):
        if isinstance(found, PetmoodError):  # a photo that is refused does not affect the others
            print(f"{photo}: refused, {found.code}: {found}")
        elif found.confident:
            print(f"{photo}: {found.label} {found.probability:.0%}")
        else:
            print(f"{photo}: not sure; one of {', '.join(found.prediction_set)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

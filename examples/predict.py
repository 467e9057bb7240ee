"""Predict photos with a bundle, in Python. It needs the extra 'serve' alone: no torch.

Usage: python examples/predict.py BUNDLE PHOTO...
BUNDLE is a folder, or an address such as registry://petmood@champion.
"""

import sys

import petmood


def main(bundle: str, *photos: str) -> None:
    """Print one line a photo: the label with its probability, or the reason why there is none."""
    predictor = petmood.load_bundle(bundle)  # verifies every file's hash and the golden photos
    for photo, found in zip(photos, predictor.predict_many(photos), strict=True):
        if not isinstance(found, petmood.Prediction):  # a photo that is rejected does not affect the others
            print(f"{photo}: refused, {found.code}: {found}")
        elif found.label is None:  # no animal in the photo, or unlike the photos that the model was trained on
            print(f"{photo}: no result, {found.domain_warning}")
        elif found.confident:
            print(f"{photo}: {found.label} {found.probability:.0%}")
        else:
            print(f"{photo}: not sure, best guess {found.label} {found.probability:.0%}")


if __name__ == "__main__":
    main(*sys.argv[1:])

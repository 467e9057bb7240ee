"""Predict photos over HTTP. Start the service first: petmood serve BUNDLE. It needs the extra 'client' alone.

Usage: python examples/call_api.py http://127.0.0.1:8000 PHOTO...
"""

import os
import sys

import petmood


def main(address: str, *photos: str) -> int:
    """Print the label and every probability of each photo; end with 1 if the service rejects one."""
    token = os.environ.get("PETMOOD_TOKEN")  # where the service was started with tokens
    rejected = 0
    with petmood.Client(address, token=token, retries=3) as client:  # a rejected request is retried
        for photo in photos:
            try:
                found = client.predict(photo)
            except petmood.PhotoError as error:  # other errors, such as a service that is away, end the program
                print(f"{photo}: {error.code}: {error}", file=sys.stderr)
                rejected += 1
                continue
            if found.label is None:  # no animal in the photo, or unlike the photos that the model was trained on
                print(f"{photo}: no result, {found.domain_warning}")
                continue
            print(f"{photo}: {found.label}, by {found.model.name} {found.model.version}")
            for name, probability in found.probabilities.items():
                print(f"  {name:<8}{probability:.1%}")
    return 1 if rejected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

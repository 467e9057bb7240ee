"""Predict a photo over HTTP. Start the service first: petmood serve BUNDLE.

Usage: python examples/call_api.py http://127.0.0.1:8000 PHOTO
"""

import os
import sys
from pathlib import Path

import httpx


def main(address: str, photo: str) -> int:
    """Print the label and every probability; end with 1 and the service's reason where it refuses."""
    token = os.environ.get("PETMOOD_TOKEN")  # where the service was started with tokens
    response = httpx.post(
        f"{address.rstrip('/')}/predict",
        files={"photo": Path(photo).read_bytes()},
        headers={"authorization": f"Bearer {token}"} if token else {},
        timeout=30,
    )
    body = response.json()
    if response.status_code != 200:  # {"code": ..., "message": ..., "request_id": ...}
        print(f"{response.status_code} {body['code']}: {body['message']}", file=sys.stderr)
        return 1
    print(f"{photo}: {body['label']}, by {body['model']['name']} {body['model']['version']}")
    for name, probability in body["probabilities"].items():
        print(f"  {name:<8}{probability:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

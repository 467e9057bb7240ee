"""Register a bundle as a version, and let it become champion if it passes the checks.

Usage: python examples/promote.py BUNDLE REGISTRY
REGISTRY is a folder, gs://, s3://, or MLflow's address.
"""

import getpass
import sys
from pathlib import Path

from petmood.core.errors import PromotionRejected
from petmood.pipelines.promote import promote
from petmood.registry.base import Author
from petmood.registry.uri import open_registry


def main(bundle: str, address: str) -> int:
    """Print the new champion; end with 3 and a line for each check that failed otherwise."""
    registry = open_registry(address)
    by = Author(getpass.getuser(), "examples/promote.py")
    version = registry.push(Path(bundle), by=by.name)  # the same bundle again keeps its number
    try:
        done = promote(registry, version, alias="champion", by=by)  # compared on photos that neither model saw
    except PromotionRejected as refused:
        print(refused, file=sys.stderr)
        return 3
    print(f"Version {version.number} of {version.model} is {done.change.alias}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

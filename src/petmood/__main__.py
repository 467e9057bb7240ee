"""What does `python -m petmood` do? The same as `petmood`."""

import sys

from petmood.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())

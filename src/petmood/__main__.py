"""Entry point of `python -m petmood`; same as `petmood`."""

import sys

from petmood.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

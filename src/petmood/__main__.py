"""What does `python -m petmood` do? The same as `petmood`."""

from petmood.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    main()

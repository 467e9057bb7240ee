"""List the packages of a Python environment as pinned requirements, for the SBOM of an image."""

from importlib.metadata import distributions

for line in sorted({f"{found.name}=={found.version}" for found in distributions()}):
    print(line)  # noqa: T201 - its output is the requirements file

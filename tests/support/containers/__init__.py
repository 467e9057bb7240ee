"""Build, check and run the container images of docker/ on a machine without a container engine."""

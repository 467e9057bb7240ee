"""Dataset validation and comparison of data versions."""

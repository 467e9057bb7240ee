"""Dataset validation and comparison of dataset versions."""

"""Dataset checks and comparisons of dataset versions."""

"""Training of a network: photo sets, gradient steps, linear probes, checkpoints and experiment tracking."""

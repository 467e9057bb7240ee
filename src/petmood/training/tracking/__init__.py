"""Experiment tracking: trackers (MLflow, Weights & Biases) that mirror run folders, and the state of a tracked run."""

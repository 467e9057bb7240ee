"""Experiment tracking: a journal in the run folder, mirrored to MLflow or Weights & Biases."""

"""Hyperparameter search: resumable trials in a shared storage, selected by validation metrics alone."""

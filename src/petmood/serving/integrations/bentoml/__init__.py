"""BentoML integration: a bundle served by BentoML's server and adaptive batching with the same HTTP contract."""

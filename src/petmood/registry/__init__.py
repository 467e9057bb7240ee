"""Model registry: versions, aliases and history of bundles in folders, buckets and MLflow."""

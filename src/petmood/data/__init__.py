"""Dataset building: sources, index, groups, splits, validation and image caches."""

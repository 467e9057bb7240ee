"""Detection of near-duplicate groups from pixels."""

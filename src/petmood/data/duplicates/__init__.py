"""Near-duplicate groups found from pixels."""

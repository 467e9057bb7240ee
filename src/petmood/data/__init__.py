"""How do photos on disk become batches? Sources, index, groups, splits, quality, and banks of pictures."""

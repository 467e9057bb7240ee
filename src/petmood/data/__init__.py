"""How do photos on disk become batches? Sources, index, families, splits, quality, and banks of pictures."""

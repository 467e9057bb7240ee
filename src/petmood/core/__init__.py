"""Which facts do all rooms share? Numpy, Pillow and pydantic are enough for them; no other room is imported."""

"""Which networks can learn moods, and how are they trained? Backbones, heads and the module that joins them."""

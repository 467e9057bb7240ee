"""Which networks can learn classes, and how are they trained? Backbones, heads and the module that joins them."""

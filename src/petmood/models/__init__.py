"""Networks for expression classification: backbones, heads and the Lightning training module."""

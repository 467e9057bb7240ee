"""Export of trained networks to model bundles, with a parity check of ONNX against PyTorch."""

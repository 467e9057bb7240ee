"""Inference with model bundles on NumPy, Pillow and ONNX Runtime; PyTorch is not imported."""

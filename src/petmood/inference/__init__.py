"""How does a bundle answer? By numpy, Pillow and onnxruntime alone; torch is never imported here."""

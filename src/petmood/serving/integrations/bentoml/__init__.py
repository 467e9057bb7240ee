"""How does BentoML serve a bundle? By its own service, server and batching, around the same predictor and bodies."""

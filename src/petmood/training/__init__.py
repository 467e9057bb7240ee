"""How does a configuration become a measured model? One story: train, score, export; each step a function."""

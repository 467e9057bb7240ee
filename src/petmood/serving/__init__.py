"""How does a bundle answer over the network? An app that receives a predictor, and the server around it."""

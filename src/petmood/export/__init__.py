"""How does a trained network leave the training half? As a bundle whose answers were compared photo by photo."""

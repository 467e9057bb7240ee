"""How do runs reach an experiment tracker? The run's folder is the truth, the tracker a mirror that may be away."""

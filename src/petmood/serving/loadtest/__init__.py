"""Load test: Locust in a subprocess, and pure functions that evaluate its measurements."""

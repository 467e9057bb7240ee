"""Adapters to BentoML, Functions and Vertex AI."""

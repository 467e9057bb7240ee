"""Synthetic pet faces for the demo dataset."""

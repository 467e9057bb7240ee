"""Drawn pets for the demo dataset."""

"""Feedback on logged predictions: right or wrong, by anonymous visitors, and its export as labeled photos."""

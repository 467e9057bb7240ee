"""Revisions of the prediction log's schema, oldest first."""

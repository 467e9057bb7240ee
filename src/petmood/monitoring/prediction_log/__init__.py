"""Prediction log: a row for each prediction of a service, in SQLite or PostgreSQL; never the photo."""

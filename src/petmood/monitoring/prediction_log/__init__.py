"""Prediction log: a row for each prediction of a service, in SQLite or PostgreSQL; the row never has the photo."""

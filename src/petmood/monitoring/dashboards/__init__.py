"""Panels of the service and the Grafana dashboard that is built from them."""

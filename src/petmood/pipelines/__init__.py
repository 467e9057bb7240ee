"""Conductors that take a whole configuration and call the packages below."""

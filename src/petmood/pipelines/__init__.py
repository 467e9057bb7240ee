"""Pipelines that take a complete configuration and call the packages below."""

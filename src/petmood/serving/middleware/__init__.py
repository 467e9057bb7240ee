"""ASGI middleware: request context, observability, authentication and rate limiting."""

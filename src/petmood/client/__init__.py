"""Clients of the HTTP service, synchronous and asynchronous."""

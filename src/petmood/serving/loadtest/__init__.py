"""How much load does a service bear? Locust, in a process of its own, and pure functions that judge what it saw."""

"""Command-line interface; each command parses options, calls one function and prints. Heavy imports are deferred."""

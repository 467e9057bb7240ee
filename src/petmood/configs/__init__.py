"""Which settings are there? YAML groups beside this file, checked once by one schema."""

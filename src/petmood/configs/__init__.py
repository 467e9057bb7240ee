"""Settings: YAML groups beside this file, validated by one schema."""

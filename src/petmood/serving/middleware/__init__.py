"""What surrounds every request? Watching it, and guarding the door."""

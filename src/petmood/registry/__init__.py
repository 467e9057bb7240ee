"""Where do bundles live once they are more than a folder? Under a version number, an alias and a history."""

"""The photos of an archive: where they are, listing them, and reading their bytes."""

"""Model files on emulated processors."""

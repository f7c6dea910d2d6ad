"""The suites that run emulated processors."""

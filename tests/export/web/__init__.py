"""Tests of the web bundle and of its page."""

"""Tests of reading and decoding photos."""

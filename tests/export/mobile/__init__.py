"""Tests of the mobile bundle."""

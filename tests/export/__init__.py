"""Tests of ``export``: stages and files here, the bundles in ``mobile`` and ``web``."""

"""Tests of ``benchmarks``: the statistics, the harness, and each suite on drawn photographs."""

"""Tests of quantization: ranges, INT8, repairs, the search, and fake quantization."""

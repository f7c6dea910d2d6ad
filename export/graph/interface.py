"""The names and the opset that all graphs of this project share."""

OPSET = 18
"""ONNX operator set of every exported graph."""
PIXELS = "pixels"
"""Input of the core graph: float32, shape (batch, 3, size, size), byte minus ``PIXEL_ZERO``."""

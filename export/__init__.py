"""From a checkpoint to model files: ONNX, INT8, and the proof of what they lost."""

import runtime  # noqa: F401  (first of all: it tells onnxruntime to send no usage data)

"""From a checkpoint to model files: ONNX, INT8, and the proof of what they lost."""

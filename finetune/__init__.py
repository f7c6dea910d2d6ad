"""From photographs to a checkpoint: fine-tuning a ResNet-50 on Oxford 102 Flowers."""

import runtime  # noqa: F401  (first of all: it tells onnxruntime to send no usage data)

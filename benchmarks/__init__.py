"""Accuracy and speed of a checkpoint and of the files made from it, as reports that anyone can make again."""

import runtime  # noqa: F401  (first of all: it tells onnxruntime to send no usage data)

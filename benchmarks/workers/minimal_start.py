"""The minimal script, with which the cold start of flower-infer is compared.

It does what any such command must do: it imports the libraries, opens the model and runs it once.

Usage: minimal_start.py MODEL THREADS
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy
import onnxruntime
import PIL.Image  # noqa: F401  (imported for its cost: a command that reads photos needs it)

if __name__ == "__main__":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[2])
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    session.run(None, {"image": numpy.zeros((1, *session.get_inputs()[0].shape[1:]), numpy.uint8)})

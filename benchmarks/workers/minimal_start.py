"""The least that any such command must do: import what it needs, load the model and run it once.

Usage: floor.py MODEL THREADS
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy
import onnxruntime
import PIL.Image

if __name__ == "__main__":
    assert PIL.Image
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[2])
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    session.run(None, {"image": numpy.zeros((1, *session.get_inputs()[0].shape[1:]), numpy.uint8)})

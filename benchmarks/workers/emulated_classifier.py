"""Runs inside an emulated processor: classifies photographs with the runtime and prints one line of JSON for each.

Usage: emulated_classifier.py MODEL runtime|default PHOTO…, with the runtime and its three packages on PYTHONPATH.
``default`` opens the model with onnxruntime's default options, without those of `runtime.inference.session`.
"""

import json
import platform
import sys
from collections.abc import Callable

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import Session


def open_with_default_options(model: str) -> Callable[[np.ndarray], np.ndarray]:
    """Open a model in onnxruntime with default options, except for the number of threads, which is one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {INPUT: images})[0])


if __name__ == "__main__":
    model, way, *photos = sys.argv[1:]
    session = Session(model, device="cpu", threads=1)
    run = open_with_default_options(model) if way == "default" else session.logits
    print(json.dumps({"machine": platform.machine(), "onnxruntime": onnxruntime.__version__}), flush=True)
    for photo in photos:
        logits = run(session.info.preprocessing(photo)[np.newaxis])[0]
        print(json.dumps({"photo": photo, "logits": logits.tolist()}), flush=True)

"""Runs inside an emulated processor: answers photographs with the bare runtime, one line of JSON each.

Usage: emulated.py MODEL runtime|plain PHOTO… with the repository and the runtime's three packages on PYTHONPATH.
``plain`` opens the model as onnxruntime does by default, without what `runtime.inference.session` sets.
"""

import json
import platform
import sys

import numpy as np
import onnxruntime

from runtime.inference.model_file import INPUT
from runtime.inference.session import Session

if __name__ == "__main__":
    model, way, *photos = sys.argv[1:]
    session = Session(model, device="cpu", threads=1)
    run = session.logits
    if way == "plain":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        plain = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        run = lambda images: np.asarray(plain.run(None, {INPUT: images})[0])  # noqa: E731
    print(json.dumps({"machine": platform.machine(), "onnxruntime": onnxruntime.__version__}), flush=True)
    for photo in photos:
        logits = run(session.info.preprocessing(photo)[np.newaxis])[0]
        print(json.dumps({"photo": photo, "logits": logits.tolist()}), flush=True)

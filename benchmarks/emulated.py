"""Runs inside an emulated processor: answers photographs with the bare runtime, one line of JSON each.

Usage: emulated.py MODEL PHOTO… with the repository and the runtime's three packages on PYTHONPATH.
"""

import json
import platform
import sys

import numpy as np
import onnxruntime

from runtime.session import Session

if __name__ == "__main__":
    session = Session(sys.argv[1], device="cpu", threads=1)
    print(json.dumps({"machine": platform.machine(), "onnxruntime": onnxruntime.__version__}), flush=True)
    for photo in sys.argv[2:]:
        logits = session.logits(session.info.preprocessing(photo)[np.newaxis])[0]
        print(json.dumps({"photo": photo, "logits": logits.tolist()}), flush=True)

"""Runs inside an emulated processor whose instructions are counted, and marks where each step ends.

Usage, with the runtime and its three packages on PYTHONPATH:

- ``counted_answer.py photo MODEL PHOTO``: from the start of Python to the answer for one photo. The steps are those of
  `benchmarks.measurements.emulated.instructions.STEPS`.
- ``counted_answer.py networks PIXELS.npy NETWORK.onnx…``: two runs of each network, with a mark before and after the
  second one.
- ``counted_answer.py engine ENGINE FORM FOLDER PIXELS.npy ZERO CLASS``: two answers of another engine, with a mark
  before and after the second one, which must be CLASS. It needs `benchmarks.engines.opening` and the engine instead of
  the runtime. ZERO is the byte that becomes 0 before the network.
"""

import os
import sys

MARK = 1_000_000
"""The descriptor that ``instruction_counter.c`` waits for."""


def mark(number: int) -> None:
    """Tell the emulator that step ``number`` has ended."""
    try:
        os.lseek(MARK + number, 0, os.SEEK_SET)
    except OSError:  # there is no such descriptor
        return


def classify_photo(model: str, photo: str) -> None:
    """Do what ``flower-infer`` does, step by step."""
    mark(0)
    import numpy as np

    mark(1)
    import onnxruntime  # noqa: F401

    mark(2)
    from runtime.inference.session import Session
    from runtime.photos.formats import load_decoders

    load_decoders()
    mark(3)
    session = Session(model, device="cpu", threads=1)
    mark(4)
    pixels = session.info.preprocessing(photo)[np.newaxis]
    mark(5)
    session.logits(pixels)
    mark(6)
    session.logits(pixels)
    mark(7)


def run_networks(pixels: str, *networks: str) -> None:
    """Run each network twice on one photo."""
    import numpy as np
    import onnxruntime

    from runtime.inference.model_file import INPUT
    from runtime.inference.session import session_options

    inputs = {INPUT: np.load(pixels)}
    for number, network in enumerate(networks):
        session = onnxruntime.InferenceSession(network, session_options(1), providers=["CPUExecutionProvider"])
        session.run(None, inputs)
        mark(2 * number)
        session.run(None, inputs)
        mark(2 * number + 1)


def run_engine(engine: str, form: str, folder: str, pixels: str, zero: str, expected: str) -> None:
    """Let another engine answer twice for one photo."""
    from pathlib import Path

    import numpy as np

    from benchmarks.engines.opening.openers import OPENERS

    images = np.load(pixels)
    answer = OPENERS[engine, form](Path(folder), 1, pixel_zero=int(zero))
    answer(images)
    mark(0)
    logits = answer(images)
    mark(1)
    if np.argmax(logits) != int(expected):
        raise SystemExit(f"{engine} answers class {np.argmax(logits)} instead of {expected}")


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "photo":
        classify_photo(*arguments)
    elif what == "networks":
        run_networks(*arguments)
    else:
        run_engine(*arguments)

"""Gives malformed inputs to the runtime, in a process of its own, and prints one line of JSON for each.

Usage: python -m benchmarks.fuzzing.worker photo|model|crafted|largest FIRST LAST [VALID_MODEL]
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.core.machine import peak_memory
from benchmarks.fuzzing import largest_photos
from benchmarks.fuzzing.largest_photos import LARGEST_PHOTOS
from benchmarks.fuzzing.malformed_inputs import CRAFTED_PHOTOS, damaged, valid_photos
from runtime.command_line.standard_streams import silence_decoders
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing

Case = tuple[str, Callable[[], object]]
"""The name of an input, and what to do with it."""


def photo_cases(first: int, last: int) -> Iterator[Case]:
    """Decode and preprocess damaged photos. The network itself sees only pixels, so it is not run."""
    preprocess = Preprocessing()
    for number in range(first, last):
        yield str(number), partial(preprocess, damaged(number, valid_photos()))


def crafted_cases(first: int, last: int) -> Iterator[Case]:
    """Decode and preprocess photos that are crafted to exhaust memory or time."""
    for name, make in list(CRAFTED_PHOTOS.items())[first:last]:
        yield name, partial(Preprocessing(), make())


def largest_cases(first: int, last: int) -> Iterator[Case]:
    """Decode and preprocess photos that are as large as the limits allow. Another process makes them."""
    for name in list(LARGEST_PHOTOS)[first:last]:
        made = subprocess.run([sys.executable, "-m", largest_photos.__name__, name], stdout=subprocess.PIPE, check=True)
        yield name, partial(Preprocessing(), made.stdout)


def model_cases(first: int, last: int, valid_model: str) -> Iterator[Case]:
    """Open damaged model files and run them once."""
    from runtime.inference.session import Session

    content = Path(valid_model).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")

        def open_and_run(number: int) -> None:
            path.write_bytes(damaged(number, [content]))
            session = Session(path, device="cpu", threads=1)
            size = session.info.preprocessing.size
            session.logits(np.zeros((1, size, size, 3), np.uint8))

        for number in range(first, last):
            yield str(number), partial(open_and_run, number)


CASES: dict[str, Callable[..., Iterator[Case]]] = {
    "photo": photo_cases,
    "crafted": crafted_cases,
    "largest": largest_cases,
    "model": model_cases,
}

if __name__ == "__main__":
    kind, first, last, *rest = sys.argv[1:]
    silence_decoders()
    for name, attempt in CASES[kind](int(first), int(last), *rest):
        started, outcome, detail = time.perf_counter(), "answered", ""
        try:
            attempt()
        except FlowerError as error:
            outcome, detail = "rejected", str(error)
        except BaseException as error:
            outcome, detail = "escaped", f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - started
        peak = peak_memory()
        print(json.dumps({"name": name, "outcome": outcome, "detail": detail, "seconds": seconds, "peak_bytes": peak}),
              flush=True)  # fmt: skip

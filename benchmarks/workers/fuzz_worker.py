"""Gives malformed inputs to the runtime, in a process of its own; one JSON line about each.

Usage: fuzz_worker.py photo|model|hostile FIRST LAST [SOUND MODEL]
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.core.machine import peak_memory
from benchmarks.fuzzing.malformed_inputs import HOSTILE, malformed, sound_photos
from runtime.command_line.standard_streams import silence_libraries
from runtime.errors import FlowerError
from runtime.photos.preprocessing import Preprocessing

Case = tuple[str, Callable[[], object]]


def photos(first: int, last: int) -> Iterator[Case]:
    """The way of a photo up to the network, which sees nothing but pixels."""
    rule = Preprocessing()
    for number in range(first, last):
        yield str(number), partial(rule, malformed(number, sound_photos()))


def hostile(first: int, last: int) -> Iterator[Case]:
    """Photos that were made to hurt."""
    for name, make in list(HOSTILE.items())[first:last]:
        yield name, partial(Preprocessing(), make())


def models(first: int, last: int, sound: str) -> Iterator[Case]:
    """Opening a model file, and asking it."""
    from runtime.inference.session import Session

    content = Path(sound).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")

        def ask(number: int) -> None:
            path.write_bytes(malformed(number, [content]))
            session = Session(path, device="cpu", threads=1)
            size = session.info.preprocessing.size
            session.logits(np.zeros((1, size, size, 3), np.uint8))

        for number in range(first, last):
            yield str(number), partial(ask, number)


KINDS: dict[str, Callable[..., Iterator[Case]]] = {"photo": photos, "hostile": hostile, "model": models}

if __name__ == "__main__":
    kind, first, last, *rest = sys.argv[1:]
    silence_libraries()
    for name, attempt in KINDS[kind](int(first), int(last), *rest):
        started, outcome, detail = time.perf_counter(), "answered", ""
        try:
            attempt()
        except FlowerError as error:
            outcome, detail = "refused", str(error)
        except BaseException as error:
            outcome, detail = "escaped", f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - started
        peak = peak_memory()
        print(json.dumps({"name": name, "outcome": outcome, "detail": detail, "seconds": seconds, "peak_bytes": peak}),
              flush=True)  # fmt: skip

"""The same photographs by several model files on several devices: answers, accuracy, latency and throughput."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.timing import WARMUP, interleaved
from benchmarks.measurements import accuracy
from export.verification.evaluation import run_split
from finetune.data.photo_batches import photo_batches
from finetune.data.split import Split
from runtime.errors import DeviceError, FlowerError, ModelError
from runtime.inference.session import Session

BATCHES = (1, 64, 16)
"""Photographs in one run, in the order of measuring. TensorRT compiles the network again whenever a batch is larger or
smaller than all before it. In this order it compiles twice: for 1, and for 1 to 64."""
FEWEST_ROUNDS = 5
BATCH_WARMUP = 2

Contestant = tuple[str, str]
"""The form of a model file, for example ``int8``, and the name of a device."""


def measure_inference(
    contestants: Sequence[Contestant], files: Mapping[str, Path], split: Split, rounds: int, threads: int
) -> list[dict[str, Any]]:
    """Measure every contestant. The first one is the reference, and must start.

    Times are those of `Session.run`, from bytes in memory to logits in memory; copying to and from a GPU is included.

    Args:
        contestants: each form of file on each device.
        files: form → model file.
        split: photographs for accuracy. The first ones are also timed.
        rounds: interleaved, for one photograph at a time. Larger batches have a fifth as many.
        threads: of the CPU.

    Returns:
        A row for each contestant: ``form``, ``device``, ``file``; then either ``failed``, the reason, or
        ``open_seconds``, ``first_seconds`` (batch → seconds of the first run), ``milliseconds`` (batch → a list, one
        for each round) and ``accuracy`` (`benchmarks.measurements.accuracy.figures`, against the reference).

    Raises:
        FlowerError: the reference cannot be used, or a file has other classes or another preprocessing than it.
    """
    rows: list[dict[str, Any]] = [
        {"form": form, "device": device, "file": files[form].name} for form, device in contestants
    ]
    sessions: dict[int, Session] = {}
    for index, row in enumerate(rows):
        started = time.perf_counter()
        try:
            sessions[index] = Session(files[row["form"]], device=row["device"], threads=threads)
        except (DeviceError, ModelError) as error:
            if index == 0:
                raise
            row["failed"] = str(error)
            continue
        row |= {"open_seconds": time.perf_counter() - started, "first_seconds": {}, "milliseconds": {}}
    _check_same_contract(list(sessions.values()), split)
    preprocessing = sessions[0].info.preprocessing
    largest = max(BATCHES)
    decoded = np.concatenate(list(photo_batches(split.paths[:largest], preprocessing, largest)))
    for size in BATCHES:
        batch = np.resize(decoded, (size, *decoded.shape[1:]))  # repeats the photographs if there are fewer
        _time_batch(rows, sessions, batch, rounds)
    reference: np.ndarray | None = None
    for index, session in sessions.items():
        try:
            logits = run_split({"": session}, split, preprocessing)[""].logits
        except ModelError as error:
            if index == 0:
                raise
            rows[index]["failed"] = str(error)
            continue
        rows[index]["accuracy"] = accuracy.figures(logits, split, reference)
        reference = logits if reference is None else reference
    return rows


def _check_same_contract(sessions: Sequence[Session], split: Split) -> None:
    for session in sessions:
        if session.info.classes != split.classes:
            raise FlowerError(
                f"{session.path}: its classes differ from those of the data set; give --data the data it was trained on"
            )
        if session.info.preprocessing != sessions[0].info.preprocessing:
            raise FlowerError(
                f"{session.path}: its preprocessing differs from that of {sessions[0].path}; give files of one network"
            )


def _time_batch(rows: list[dict[str, Any]], sessions: dict[int, Session], batch: np.ndarray, rounds: int) -> None:
    """Add the times of a batch to the rows. A session whose first run fails is removed, and its row says why."""
    size = str(len(batch))
    for index, session in list(sessions.items()):
        started = time.perf_counter()
        try:
            session.run(batch)
        except ModelError as error:
            if index == 0:
                raise
            rows[index]["failed"] = str(error)
            del sessions[index]
            continue
        rows[index]["first_seconds"][size] = time.perf_counter() - started
    single = len(batch) == 1
    seconds = interleaved(
        {str(index): partial(session.run, batch) for index, session in sessions.items()},
        rounds if single else max(FEWEST_ROUNDS, rounds // 5),
        f"batch {size}",
        warmup=WARMUP if single else BATCH_WARMUP,
    )
    for name, times in seconds.items():
        rows[int(name)]["milliseconds"][size] = (1000 * times).tolist()

"""Executed instructions of the same network in other engines, on an emulated arm64 processor."""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import opening
from benchmarks.environments.emulators import EmulationError, Processor, fetch_arm_wheel
from benchmarks.environments.instruction_counter import InstructionCounter
from benchmarks.measurements.emulated.answers import copy_package
from benchmarks.measurements.emulated.instructions import ONE_THREAD
from benchmarks.measurements.engines.contestants import Absent, Contestant
from benchmarks.workers import worker_path
from finetune.data.dataset import read_split
from finetune.network.photo_network import PIXEL_ZERO

WHEELS = {("ncnn", "fp16"): "ncnn==1.0.20261020", ("litert", "int8"): "ai-edge-litert==2.1.6"}
"""By the names of engine and form: the package, in a version that runs under QEMU 7.2. LiteRT 2.2 and 2.3 crash there
when they open a network."""


def count_engines(
    counter: InstructionCounter,
    processors: Collection[Processor],
    contestants: Iterable[Contestant | Absent],
    data: Path,
    split: str,
) -> Iterator[dict[str, Any]]:
    """Count the instructions of one answer, from the bytes of the photo to the logits, with one thread.

    Args:
        counter: the emulator.
        processors: aarch64 ones.
        contestants: engines with their forms, of those in `WHEELS`.
        data: the data set.
        split: of the data set. Its first photo is answered.

    Yields:
        For each form of each engine: ``engine``, ``form``, ``package`` and ``instructions`` (by processor), or
        ``absent`` (the reason) instead of the last two.

    Raises:
        FlowerError: an engine failed on this machine.
    """
    photo = read_split(data, split).paths[0]
    for each in contestants:
        if isinstance(each, Absent):
            yield {"engine": each.engine, "form": each.form, "absent": each.reason}
            continue
        wheel, expected = WHEELS[each.engine.name, each.form.name], int(each.answers(1, data, split, 1)[0])
        row = {"engine": each.engine.name, "form": each.words}
        try:
            packages = fetch_arm_wheel(counter.emulators, wheel)
            counted = _count(counter, processors, packages, each, photo, expected)
        except EmulationError as error:  # among others, the emulated engine gave another name
            yield {**row, "absent": str(error)}
        else:
            yield {**row, "package": wheel, "instructions": counted}


def _count(
    counter: InstructionCounter,
    processors: Collection[Processor],
    packages: Path,
    contestant: Contestant,
    photo: Path,
    expected: int,
) -> dict[str, int]:
    """Return the instructions of one engine by the names of the processors."""
    with tempfile.TemporaryDirectory() as folder:
        sources, pixels = Path(folder, "sources"), Path(folder, "pixels.npy")
        copy_package(opening, sources)
        np.save(pixels, contestant.preprocessing(photo)[np.newaxis])
        arguments = (
            *("engine", contestant.engine.name, contestant.form.name, str(contestant.path.resolve())),
            *(str(pixels), str(PIXEL_ZERO), str(expected)),
        )
        command = [str(worker_path("counted_answer")), *arguments]
        marks = {each.name: counter.count(each, [sources, packages], command, ONE_THREAD) for each in processors}
    return {name: counted["1"] - counted["0"] for name, counted in marks.items()}

"""Cold start and peak memory of whole commands, as a user's shell sees them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

import runtime
from benchmarks.workers import worker_path
from runtime.errors import FlowerError

MEASURED_COMMAND = worker_path("measured_command")


def measure(models: Mapping[str, Path], photo: Path, rounds: int, threads: int) -> dict[str, dict[str, np.ndarray]]:
    """``flower-infer photo.jpg`` with each model; as `measure_commands`."""
    command = infer_command(threads, photo)
    return measure_commands({name: [*command, "--model", str(model)] for name, model in models.items()}, rounds)


def infer_command(threads: int, *photos: Path) -> list[str]:
    """``flower-infer`` as a process of this Python's."""
    return [sys.executable, "-m", runtime.__name__, "--device", "cpu", "--threads", str(threads), *map(str, photos)]


def measure_commands(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict[str, np.ndarray]]:
    """Run each command ``rounds`` times, interleaved.

    Returns:
        For each, ``seconds`` and ``peak_bytes``: shape (rounds,). One run each before them is not counted.
    """
    # Python keeps what it compiled, as it does of an installed package.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    results = {name: {"seconds": np.zeros(rounds), "peak_bytes": np.zeros(rounds)} for name in commands}
    for index in tqdm(range(-1, rounds), desc="cold start", unit="round", disable=None):
        for name, command in commands.items():
            done = subprocess.run(
                [sys.executable, str(MEASURED_COMMAND), *command], capture_output=True, text=True, env=environment
            )
            if done.returncode:
                raise FlowerError(f"{name}: the command failed: {done.stderr.strip()}")
            if index >= 0:
                for key, value in json.loads(done.stdout).items():
                    results[name][key][index] = value
    return results
